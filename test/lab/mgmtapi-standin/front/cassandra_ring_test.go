//go:build ring && full

package front_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/cassandra"
	"github.com/casshook/casshook/test/lab/mgmtapi-standin/front"
	"github.com/casshook/casshook/test/lab/mgmtapi-standin/nodeconfig"
	"github.com/casshook/casshook/test/lab/mgmtapi-standin/tree"
)

// pod is the image's tree in a directory, configured as its init container would, on a loopback address of its own.
type pod struct {
	t       *testing.T
	address string
	options front.Options
}

func newPod(t *testing.T, version, address, seed string) *pod {
	t.Helper()
	dir, err := os.MkdirTemp(cassandra.Scratch(), "pod")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, tree.Write(t.Context(), version, dir))
	ports, err := cassandra.FreeJMXPorts(1)
	require.NoError(t, err)
	home, err := cassandra.JavaHome(t.Context())
	require.NoError(t, err)
	p := &pod{t: t, address: address}
	p.options = front.Options{
		Layout: front.Layout{Root: dir}, Host: p.address, Port: 8080, Fast: true, JMXPort: ports[0],
		Java: filepath.Join(home, "bin", "java"), StopTimeout: 30 * time.Second,
	}
	require.NoError(t, os.MkdirAll(p.options.Layout.Tmp(), 0o755))
	p.configure(version, seed)
	t.Cleanup(func() {
		if t.Failed() {
			logs(t, p.options.Layout)
		}
	})
	return p
}

// network is a free loopback network for so many pods.
func network(t *testing.T, pods int) string {
	t.Helper()
	prefix, err := cassandra.FreeNet(pods)
	require.NoError(t, err)
	return prefix
}

// configure leaves out one thing of a pod: a node that listens on all addresses would be in the way of all other rings.
func (p *pod) configure(version, seed string) {
	p.t.Helper()
	data, err := json.Marshal(map[string]any{
		"cluster-info":       map[string]any{"name": "front", "seeds": "no-such-service.invalid," + seed},
		"datacenter-info":    map[string]any{"name": "My DC", "graph-enabled": 0},
		"cassandra-yaml":     map[string]any{"authenticator": "PasswordAuthenticator", "authorizer": "CassandraAuthorizer", "num_tokens": 8},
		"jvm-server-options": map[string]any{"initial_heap_size": "256M", "max_heap_size": "640M"},
	})
	require.NoError(p.t, err)
	env := map[string]string{
		"CONFIG_FILE_DATA": string(data), "POD_IP": p.address, "RACK_NAME": "r1", "PRODUCT_VERSION": version,
		"PRODUCT_NAME": "cassandra", "LAB_FAST_START": "true",
	}
	in, err := nodeconfig.FromEnv(func(name string) string { return env[name] })
	require.NoError(p.t, err)
	require.True(p.t, netip.MustParseAddr(p.address).IsLoopback())
	files, _, err := nodeconfig.Render(in)
	require.NoError(p.t, err)
	all := "rpc_address: 0.0.0.0\n"
	require.Contains(p.t, files["cassandra.yaml"], "\n"+all)
	files["cassandra.yaml"] = strings.Replace(files["cassandra.yaml"], "\n"+all, "\nrpc_address: "+p.address+"\n", 1)
	require.NoError(p.t, nodeconfig.Write(files, p.options.Layout.Config()))
}

func (p *pod) login(user, password string) error {
	cluster := gocql.NewCluster(p.address)
	cluster.Authenticator = gocql.PasswordAuthenticator{Username: user, Password: password}
	cluster.DisableInitialHostLookup = true
	cluster.NumConns = 1
	cluster.ConnectTimeout = 10 * time.Second
	cluster.Timeout = 20 * time.Second
	cluster.Logger = gocql.NewLogger(gocql.LogLevelNone)
	session, err := cluster.CreateSession()
	if err != nil {
		return err
	}
	defer session.Close()
	return session.Query("SELECT role FROM system_auth.roles").Exec() // only a superuser may
}

func (p *pod) nodetool(args ...string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	args = append([]string{"-p", fmt.Sprint(p.options.JMXPort)}, args...)
	out, err := exec.CommandContext(ctx, filepath.Join(p.options.Layout.Home(), "bin", "nodetool"), args...).CombinedOutput()
	require.NoError(p.t, err, "%s", out)
	return string(out)
}

func role(name, password string) url.Values {
	return url.Values{"username": {name}, "password": {password}, "is_superuser": {"true"}, "can_login": {"true"}}
}

const startLimit = 3 * time.Minute

func TestRealCassandra(t *testing.T) {
	for _, version := range []string{"5.0.9", "4.1.10"} {
		t.Run(version, func(t *testing.T) {
			address := network(t, 1) + ".1"
			p := newPod(t, version, address, address)
			c, end := serve(t, p.options)
			require.Equal(t, closed(), c.get(readinessPath))
			require.Equal(t, http.StatusCreated, c.post(startPath, nil).status)
			require.Equal(t, http.StatusNoContent, c.post(startPath, nil).status, "it cannot answer yet")
			c.eventually(readinessPath, ok("OK"), startLimit)
			require.Equal(t, http.StatusAccepted, c.post(startPath, nil).status)

			roles(p, c)
			cluster(p, c, version)
			restart(p, c)
			require.NoError(t, end())
			require.NoFileExists(t, filepath.Join(p.options.Layout.Volume(), "hs_err.log"))
			require.DirExists(t, filepath.Join(p.options.Layout.Volume(), "data", "system_auth"), "below the volume")
			require.DirExists(t, filepath.Join(p.options.Layout.Volume(), "commitlog"))
		})
	}
}

// roles: no default superuser; a role that is there gets the new password.
func roles(p *pod, c *client) {
	require.Error(p.t, p.login("cassandra", "cassandra"))
	require.Equal(p.t, ok("OK"), c.post(rolePath, role("front-superuser", "first &?%")))
	require.NoError(p.t, p.login("front-superuser", "first &?%"))
	require.Equal(p.t, ok("OK"), c.post(rolePath, role("front-superuser", "second")))
	require.Eventually(p.t, func() bool { return p.login("front-superuser", "second") == nil }, time.Minute, 100*time.Millisecond,
		"the node keeps credentials for two seconds")
	require.Error(p.t, p.login("front-superuser", "first &?%"))
	require.Error(p.t, p.login("cassandra", "cassandra"))

	require.Equal(p.t, ok("OK"), c.post(rolePath, role("gone", "x")))
	require.Equal(p.t, ok("OK"), c.call(http.MethodDelete, rolePath, url.Values{"username": {"gone"}}))
	var all []map[string]any
	require.NoError(p.t, json.Unmarshal([]byte(c.get(rolePath).text), &all))
	require.ElementsMatch(p.t, []map[string]any{
		{"name": "cassandra", "super": false, "login": false, "datacenters": "ALL", "options": "{}"},
		{"name": "front-superuser", "super": true, "login": true, "datacenters": "ALL", "options": "{}"},
	}, all)
	require.Equal(p.t, answer{400, "Username is empty"}, c.post(rolePath, url.Values{"password": {"x"}}))
	require.Equal(p.t, answer{400, "Password is empty"}, c.post(rolePath, url.Values{"username": {"x"}}))
}

// cluster asks what the operator asks of a ring, and looks at it with nodetool.
func cluster(p *pod, c *client, version string) {
	probe := func(level, factor string) answer {
		return c.call(http.MethodGet, "/api/v0/probes/cluster", url.Values{"consistency_level": {level}, "rf_per_dc": {factor}})
	}
	require.Equal(p.t, ok(""), probe("LOCAL_QUORUM", "1"))
	require.Equal(p.t, ok(""), probe("ONE", "3"))
	lacking := probe("LOCAL_QUORUM", "3")
	require.Equal(p.t, http.StatusInternalServerError, lacking.status)
	ranges := map[string][]string{}
	require.NoError(p.t, json.Unmarshal([]byte(lacking.text), &ranges))
	require.Len(p.t, ranges, 8, "num_tokens")
	for _, reasons := range ranges {
		require.Equal(p.t, []string{"2 replicas required, but only 1 nodes in the ring"}, reasons)
	}
	require.Equal(p.t, answer{500, "Failed to execute method NodeOps.checkConsistencyLevel"}, probe("MOST", "1"))
	require.Equal(p.t, ok("[]"), c.post("/api/v0/ops/seeds/reload", nil), "none but itself")
	require.Equal(p.t, ok(version), c.get("/api/v0/metadata/versions/release"))
	require.Equal(p.t, ok("My DC"), c.get("/api/v0/metadata/localdc"))
	status := p.nodetool("status")
	require.Contains(p.t, status, "Datacenter: My DC")
	require.Contains(p.t, status, "UN  "+p.address)
}

func restart(p *pod, c *client) {
	require.Equal(p.t, ok("OK"), c.post(drainPath, nil))
	require.Equal(p.t, http.StatusInternalServerError, c.get(readinessPath).status, "drained")
	require.Equal(p.t, ok("OK"), c.get(livenessPath))
	pid := c.get(pidPath)
	require.Equal(p.t, ok("OK\n"), c.post(stopPath, nil))
	require.Equal(p.t, http.StatusNoContent, c.get(pidPath).status)
	require.Equal(p.t, closed(), c.post(drainPath, nil))

	require.Equal(p.t, http.StatusCreated, c.post(startPath, nil).status)
	c.eventually(readinessPath, ok("OK"), startLimit)
	require.NotEqual(p.t, pid, c.get(pidPath))
	require.NoError(p.t, p.login("front-superuser", "second"), "roles are on the volume")
}

// TestSecondNodeBootstraps lets a node join another as in pods: seeds looked up, no tokens given, the delays of FastStart.
func TestSecondNodeBootstraps(t *testing.T) {
	prefix := network(t, 2)
	seed := prefix + ".1"
	first, second := newPod(t, "5.0.9", seed, seed), newPod(t, "5.0.9", prefix+".2", seed)
	c1, _ := serve(t, first.options)
	require.Equal(t, http.StatusCreated, c1.post(startPath, nil).status)
	c1.eventually(readinessPath, ok("OK"), startLimit)
	c2, _ := serve(t, second.options)
	require.Equal(t, http.StatusCreated, c2.post(startPath, nil).status)
	c2.eventually(readinessPath, ok("OK"), startLimit)

	probe := func() (answer, error) {
		return c1.try(http.MethodGet, "/api/v0/probes/cluster", url.Values{"consistency_level": {"LOCAL_QUORUM"}, "rf_per_dc": {"2"}})
	}
	require.Eventually(t, func() bool { got, err := probe(); return err == nil && got == ok("") }, time.Minute, 100*time.Millisecond)
	var seeds []string
	require.NoError(t, json.Unmarshal([]byte(c2.post("/api/v0/ops/seeds/reload", nil).text), &seeds))
	require.Len(t, seeds, 1)
	require.Contains(t, seeds[0], seed)
	require.Contains(t, first.nodetool("status"), "UN  "+second.address)
	text, err := os.ReadFile(filepath.Join(second.options.Layout.Log(), "system.log"))
	require.NoError(t, err)
	require.Contains(t, string(text), "Bootstrap completed")

	require.Equal(t, ok("OK"), c2.post(drainPath, nil))
	require.Equal(t, ok("OK\n"), c2.post(stopPath, nil))
	require.Eventually(t, func() bool {
		got, err := probe()
		return err == nil && got.status == http.StatusInternalServerError && strings.Contains(got.text, second.address)
	}, time.Minute, 100*time.Millisecond, "the node that is down is named")
}

func logs(t *testing.T, l front.Layout) {
	for _, name := range []string{"system.log", "stderr.log", "stdout.log"} {
		text, err := os.ReadFile(filepath.Join(l.Log(), name))
		if err != nil {
			t.Log(err)
			continue
		}
		lines := strings.Split(string(text), "\n")
		t.Logf("%s:\n%s", name, strings.Join(lines[max(0, len(lines)-60):], "\n"))
	}
}
