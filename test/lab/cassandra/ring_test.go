package cassandra

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// built is a ring on disk whose nodes are never started.
func built(t *testing.T, o Options) *Ring {
	t.Helper()
	o.Version = "5.0.9"
	o.Dir = orElse(o.Dir, t.TempDir())
	o, err := o.withDefaults()
	require.NoError(t, err)
	r := &Ring{dir: o.Dir, state: state{
		Options: o, Net: "127.9.8", JMXPorts: []int{20001, 20002, 20003}, JavaHome: "/java", Lib: "/lib", Jamm: "/jamm.jar", Agent: "/agent.jar",
	}}
	require.NoError(t, r.build())
	t.Cleanup(func() { _ = r.Remove(context.Background()) })
	return r
}

func TestRingOnDiskAndOpen(t *testing.T) {
	t.Parallel()
	r := built(t, Options{Nodes: 3, MultipleDataDirs: 2})
	opened, err := Open(r.Dir())
	require.NoError(t, err)
	require.Equal(t, r.state, opened.state)
	require.Len(t, opened.Nodes(), 3)

	n := opened.Node(2)
	require.Equal(t, "n2", n.Name)
	require.Equal(t, "127.9.8.2", n.Address)
	require.Equal(t, 20002, n.JMXPort)
	require.Equal(t, []string{n.VolumeRoot + "/data", n.VolumeRoot + "/data1"}, n.DataDirs)
	require.Equal(t, "http://127.9.8.2:8080", n.APIURL)
	require.Equal(t, []string{"-h", "127.0.0.1", "-p", "20002"}, n.Nodetool[len(n.Nodetool)-4:])
	require.False(t, n.Running())
	for _, file := range []string{r.UsernameFile(), r.PasswordFile()} {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	_, err = Start(t.Context(), Options{Version: "5.0.9", Dir: r.Dir()})
	require.ErrorContains(t, err, "holds one already")
	_, err = Open(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestSocketPathStaysShort(t *testing.T) {
	t.Parallel()
	short := built(t, Options{Dir: mustTemp(t)})
	require.Equal(t, filepath.Join(short.Dir(), "n1", "api.sock"), short.Node(1).APISocket)

	long := built(t, Options{Dir: filepath.Join(t.TempDir(), strings.Repeat("long", 30))})
	socket := long.Node(1).APISocket
	require.LessOrEqual(t, len(socket), maxSocketPath)
	require.NoError(t, long.Remove(t.Context()))
	require.NoDirExists(t, filepath.Dir(socket))
	require.NoDirExists(t, long.Dir())
}

func mustTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(Scratch(), "lab")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestInventory(t *testing.T) {
	t.Parallel()
	r := built(t, Options{Dir: mustTemp(t), Nodes: 2})
	path := filepath.Join(t.TempDir(), "inventory.yaml")
	apis := map[InventoryMode]string{
		InventorySocket: "unix://" + r.Node(2).APISocket, InventoryTCP: "http://127.9.8.2:8080", InventoryNodetool: "",
	}
	for mode, api := range apis {
		require.NoError(t, r.WriteInventory(path, mode))
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var inv inventory
		require.NoError(t, yaml.UnmarshalStrict(text, &inv))
		require.Equal(t, "casshook.io/v1", inv.APIVersion)
		require.Equal(t, "Inventory", inv.Kind)
		require.Equal(t, inventoryNode{
			Name: "n2", Address: "127.9.8.2", CQLPort: 9042, Volume: r.Node(2).VolumeRoot,
			DataDirectories: r.Node(2).DataDirs, ManagementAPI: api, Nodetool: r.Node(2).Nodetool,
		}, inv.Nodes[1])
		require.Equal(t, api == "", !strings.Contains(string(text), "managementAPI"))
	}
	require.ErrorContains(t, r.WriteInventory(path, "x"), `mode "x"`)

	without := built(t, Options{API: APIOptions{Disable: true}})
	require.ErrorContains(t, without.WriteInventory(path, InventoryTCP), "no Management API")
	require.FileExists(t, without.InventoryFile())
	require.Empty(t, without.Node(1).APISocket)
}

func TestStandInProperties(t *testing.T) {
	t.Parallel()
	r := built(t, Options{API: APIOptions{Limit: 1500 * time.Millisecond}})
	n := r.Node(1)
	read := func() string {
		text, err := os.ReadFile(n.conf("standin.properties"))
		require.NoError(t, err)
		return string(text)
	}
	require.Contains(t, read(), "limitMillis=1500\n")
	require.Contains(t, read(), "address=127.9.8.1\n")
	require.NoError(t, n.SetAPI(APIOptions{Delay: map[string]time.Duration{"takeSnapshot": time.Second}}))
	require.Contains(t, read(), "limitMillis=1500\n", "the ring's own limit")
	require.Contains(t, read(), "delayMillis.takeSnapshot=1000\n")
}

func TestAPICalls(t *testing.T) {
	t.Parallel()
	n := built(t, Options{}).Node(1)
	calls, err := n.APICalls()
	require.NoError(t, err)
	require.Empty(t, calls)
	require.NoError(t, n.ResetAPICalls())
	require.NoError(t, os.WriteFile(n.accessLog(), []byte("GET /a?b=c 200\nPOST /d 500\n"), 0o644))
	calls, err = n.APICalls()
	require.NoError(t, err)
	require.Equal(t, []APICall{{"GET", "/a?b=c", 200}, {"POST", "/d", 500}}, calls)
	require.NoError(t, n.ResetAPICalls())
	calls, err = n.APICalls()
	require.NoError(t, err)
	require.Empty(t, calls)
	_, err = parseCalls("GET /a")
	require.Error(t, err)
}

// A node that does not come up is reported with the end of its log, and nothing is left running.
func TestStartReportsTheLogOfANodeThatEnds(t *testing.T) {
	t.Parallel()
	r := built(t, Options{})
	home := t.TempDir()
	write(t, filepath.Join(home, "bin"), nil)
	script := "#!/bin/sh\necho the reason; exit 3\n"
	require.NoError(t, os.WriteFile(filepath.Join(home, "bin", "java"), []byte(script), 0o755))
	r.state.JavaHome = home
	err := r.StartAll(t.Context())
	require.ErrorContains(t, err, "process has ended")
	require.ErrorContains(t, err, "the reason")
	require.NoError(t, r.Stop(t.Context()))
	require.NoFileExists(t, r.Node(1).pidFile())
}

func TestFreeNetAndPorts(t *testing.T) {
	t.Parallel()
	prefix, err := FreeNet(3)
	require.NoError(t, err)
	require.Regexp(t, `^127\.\d+\.\d+$`, prefix)
	require.True(t, netFree(prefix, 3))
	taken, err := net.Listen("tcp4", net.JoinHostPort(address(prefix, 2), strconv.Itoa(storagePort)))
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	require.False(t, netFree(prefix, 3))
	require.True(t, netFree(prefix, 1))

	ports, err := FreeJMXPorts(5)
	require.NoError(t, err)
	require.Len(t, ports, 5)
	require.False(t, portFree(address(prefix, 2), storagePort))
}
