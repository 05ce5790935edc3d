package hosts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/ring"
)

const goodInventory = `# a ring of two
---
apiVersion: casshook.io/v1
kind: Inventory
cluster: prod
credentials: {usernameFile: /etc/casshook/user, passwordFile: /etc/casshook/password}
nodes:
  - name: db1
    address: 10.0.0.1
    volume: /var/lib/cassandra
    dataDirectories: [/var/lib/cassandra/data]
    managementAPI: unix:///tmp/oss-mgmt.sock
    prefix: [ssh, -oBatchMode=yes, db1]
    agent: /usr/local/bin/casshook-agent
  - name: db2
    address: 10.0.0.2
    cqlPort: 9142
    volume: /srv/v2
    volumeID: vol-2
    dataDirectories: [/srv/v2/d1, /srv/v2/d2]
    nodetool: [nodetool, -p, "7299"]
`

func inventoryFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "inventory.yaml")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func load(t *testing.T, content string) *Target {
	t.Helper()
	target, err := Load(inventoryFile(t, content))
	require.NoError(t, err)
	return target
}

func TestLoad(t *testing.T) {
	t.Parallel()
	target := load(t, goodInventory)
	require.Equal(t, "prod", target.ClusterName())
	nodes, err := target.Nodes(t.Context())
	require.NoError(t, err)
	require.Equal(t, []ring.Node{
		{
			Node:    wire.Node{Name: "db1", Volume: "/var/lib/cassandra", DataDirs: []string{"/var/lib/cassandra/data"}, API: "unix:///tmp/oss-mgmt.sock"},
			Address: "10.0.0.1", CQLPort: 9042,
		},
		{
			Node: wire.Node{Name: "db2", Volume: "/srv/v2", DataDirs: []string{"/srv/v2/d1", "/srv/v2/d2"},
				Nodetool: []string{"nodetool", "-p", "7299"}, VolumeID: "vol-2"},
			Address: "10.0.0.2", CQLPort: 9142,
		},
	}, nodes)
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	edit := func(old, now string) string {
		require.Contains(t, goodInventory, old)
		return strings.Replace(goodInventory, old, now, 1)
	}
	for _, c := range []struct {
		name, content string
		want          []string
	}{
		{"unknown field", edit("cluster: prod", "cluster: prod\nclusterName: prod"), []string{`unknown field "clusterName"`}},
		{"unknown field of a node", edit("volumeID:", "volumeId2:"), []string{`unknown field`, "volumeId2"}},
		{"key twice", edit("cluster: prod", "cluster: prod\ncluster: test"), []string{"cluster", "already"}},
		{"inline password", edit("passwordFile: /etc/casshook/password", "passwordFile: /p, password: hunter2"), []string{`unknown field "password"`}},
		{"second document", goodInventory + "---\nnodes: []\n", []string{"more than one YAML document"}},
		{"no YAML", "{", []string{"inventory.yaml"}},
		{"empty", "", []string{"apiVersion and kind are", "no nodes"}},
		{"another kind", edit("kind: Inventory", "kind: List"), []string{`"List"`, "must be casshook.io/v1 and Inventory"}},
		{"half of the credentials", edit("usernameFile: /etc/casshook/user, ", ""), []string{"credentials: usernameFile and passwordFile are required"}},
		{"no name", edit("name: db1", "name: ''"), []string{"nodes[0]", "name and address are required"}},
		{"no address", edit("address: 10.0.0.1", "address: ''"), []string{"nodes[0] db1: name and address are required"}},
		{"name twice", edit("name: db2", "name: db1"), []string{"nodes[1] db1: has the same name db1 as nodes[0] db1"}},
		{"address twice", edit("address: 10.0.0.2", "address: 10.0.0.1"), []string{"nodes[1] db2: has the same address 10.0.0.1 as nodes[0] db1"}},
		{"relative volume", edit("volume: /srv/v2", "volume: srv/v2"), []string{`nodes[1] db2: "srv/v2" is not an absolute path`}},
		{"relative data directory", edit("[/srv/v2/d1, ", "[v2/d1, "), []string{`nodes[1] db2: "v2/d1" is not an absolute path`}},
		{"no data directory", edit("[/srv/v2/d1, /srv/v2/d2]", "[]"), []string{"nodes[1] db2: dataDirectories is empty"}},
		{"https API", edit("unix:///tmp/oss-mgmt.sock", "https://n1"), []string{`managementAPI "https://n1" is neither`}},
		{"relative socket", edit("unix:///tmp/oss-mgmt.sock", "unix://tmp.sock"), []string{`managementAPI "unix://tmp.sock" is neither`}},
		{"neither API nor nodetool", edit(`    nodetool: [nodetool, -p, "7299"]`, ""), []string{"nodes[1] db2: set managementAPI or nodetool"}},
		{"prefix without agent", edit("    agent: /usr/local/bin/casshook-agent\n", ""), []string{"nodes[0] db1: with a prefix, agent must be"}},
		{"agent for a remote shell", edit("/usr/local/bin/casshook-agent", "'/opt/x;reboot'"), []string{"nodes[0] db1: with a prefix, agent must be"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(inventoryFile(t, c.content))
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestLoadReportsEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := Load(inventoryFile(t, `
apiVersion: v1
kind: Inventory
credentials: {}
nodes:
  - {name: a, volume: v, dataDirectories: []}
  - {name: a, address: x, volume: /v, dataDirectories: [/v/data], nodetool: [nodetool], prefix: [ssh, b]}
`))
	for _, want := range []string{
		"apiVersion and kind", "credentials: usernameFile", "nodes[0] a: name and address are required", `nodes[0] a: "v" is not`, "nodes[0] a: dataDirectories is empty",
		"nodes[0] a: set managementAPI", "nodes[1] a: with a prefix", "nodes[1] a: has the same name a",
	} {
		require.ErrorContains(t, err, want)
	}
}

func TestVolumesOfOneMachine(t *testing.T) {
	t.Parallel()
	host := func(name, volume string, prefix ...string) Host {
		return Host{Name: name, Address: name, Volume: volume, DataDirectories: []string{"/d"}, Nodetool: []string{"nodetool"}, Prefix: prefix, Agent: "/agent"}
	}
	for _, c := range []struct {
		name   string
		hosts  []Host
		refuse bool
	}{
		{"two volumes", []Host{host("a", "/v1"), host("b", "/v2")}, false},
		{"one volume", []Host{host("a", "/v"), host("b", "/v")}, true},
		{"one volume, spelled otherwise", []Host{host("a", "/v"), host("b", "/x/../v/")}, true},
		{"one path on two machines", []Host{host("a", "/v", "ssh", "a"), host("b", "/v", "ssh", "b")}, false},
		{"one path on one machine", []Host{host("a", "/v", "ssh", "a"), host("b", "/v", "ssh", "a")}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := (&Inventory{APIVersion: APIVersion, Kind: Kind, Nodes: c.hosts}).validate()
			if !c.refuse {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "nodes[1] b: has the same volume")
		})
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	const missing = "\x00"
	for _, c := range []struct {
		name, user, password string
		want                 ring.Credentials
		refuse               string
	}{
		{"both", "cassandra\n", "s3cret\nsecond line\n", ring.Credentials{Username: "cassandra", Password: "s3cret"}, ""},
		{"no line end", "cassandra", "s3cret", ring.Credentials{Username: "cassandra", Password: "s3cret"}, ""},
		{"line ends of Windows", "cassandra\r\n", "s3cret\r\n", ring.Credentials{Username: "cassandra", Password: "s3cret"}, ""},
		{"blanks are part of a password", "cassandra", " s3cret ", ring.Credentials{Username: "cassandra", Password: " s3cret "}, ""},
		{"empty user", "", "s3cret", ring.Credentials{}, "user is empty"},
		{"empty password", "cassandra", "\n", ring.Credentials{}, "password is empty"},
		{"user missing", missing, "s3cret", ring.Credentials{}, "user: no such file"},
		{"password missing", "cassandra", missing, ring.Credentials{}, "password: no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			files := CredentialFiles{UsernameFile: filepath.Join(dir, "user"), PasswordFile: filepath.Join(dir, "password")}
			for path, content := range map[string]string{files.UsernameFile: c.user, files.PasswordFile: c.password} {
				if content != missing {
					require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
				}
			}
			target, err := newTarget(Inventory{Credentials: &files})
			require.NoError(t, err)
			got, err := target.Credentials(t.Context())
			if c.refuse != "" {
				require.ErrorContains(t, err, c.refuse)
				require.NotContains(t, err.Error(), "s3cret")
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestNoCredentials(t *testing.T) {
	t.Parallel()
	target, err := newTarget(Inventory{})
	require.NoError(t, err)
	got, err := target.Credentials(t.Context())
	require.NoError(t, err)
	require.Zero(t, got)
}
