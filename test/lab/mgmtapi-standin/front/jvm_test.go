package front

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// image is a layout with what command looks for.
func image(t *testing.T, files map[string]string) Layout {
	t.Helper()
	l := Layout{Root: t.TempDir()}
	files["opt/cassandra/lib/jamm-0.4.0.jar"] = ""
	for name, text := range files {
		path := filepath.Join(l.Root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return l
}

func TestCommand(t *testing.T) {
	t.Parallel()
	l := image(t, map[string]string{
		"etc/cassandra/jvm-server.options":    "# heap\n-Xms512M\n-Xmx512M\n\n-XX:+UseG1GC -Da=b\n",
		"etc/cassandra/cassandra-env.options": "-Dc=d\n",
	})
	o := Options{Layout: l, Java: "/jre/bin/java", JMXPort: 7199, Fast: true, ExtraJVM: []string{"-De=f"}}
	argv, err := o.command([]string{"-Dcassandra.replace_address_first_boot=10.0.0.7"})
	require.NoError(t, err)
	require.Equal(t, "/jre/bin/java", argv[0])
	for _, option := range []string{
		"-javaagent:" + l.Root + "/opt/cassandra/lib/jamm-0.4.0.jar",
		"-javaagent:" + l.Root + "/opt/cassandra/lib/mgmtapi-standin-agent.jar=" + l.Root + "/tmp/casshook-agent-standin.properties",
		"-Dcassandra.config=file://" + l.Root + "/etc/cassandra/cassandra.yaml",
		"-Dcassandra.storagedir=" + l.Root + "/opt/cassandra/data",
		"-Dcassandra.jmx.local.port=7199",
		"-Dcassandra.skip_default_role_setup=true",
		"-Dcassandra.ring_delay_ms=5000",
		"-Djna.tmpdir=" + l.Root + "/tmp",
		"-XX:+UseG1GC",
	} {
		require.Contains(t, argv, option)
	}
	require.NotContains(t, argv, "-XX:+UseSerialGC", "there can be one collector only")
	require.Less(t, slices.Index(argv, "-Xmx512m"), slices.Index(argv, "-Xmx512M"), "the user's come later and win")
	want := []string{
		"-Xms512M", "-Xmx512M", "-XX:+UseG1GC", "-Da=b", "-Dc=d", "-De=f", "-Dcassandra.replace_address_first_boot=10.0.0.7",
		"-cp", l.Root + "/opt/cassandra/lib/*", "org.apache.cassandra.service.CassandraDaemon",
	}
	require.Equal(t, want, argv[len(argv)-len(want):])
}

func TestCommandWithoutOptions(t *testing.T) {
	t.Parallel()
	l := image(t, map[string]string{})
	argv, err := Options{Layout: l, Java: "java"}.command(nil)
	require.NoError(t, err)
	require.Contains(t, argv, "-XX:+UseSerialGC")
	require.False(t, slices.ContainsFunc(argv, func(s string) bool { return strings.Contains(s, "ring_delay") }), "only when asked for")

	require.NoError(t, os.Remove(filepath.Join(l.Home(), "lib", "jamm-0.4.0.jar")))
	_, err = Options{Layout: l}.command(nil)
	require.ErrorContains(t, err, "find jamm")
}

func TestLayoutOfTheImage(t *testing.T) {
	t.Parallel()
	var l Layout
	require.Equal(t, []string{
		"/opt/cassandra", "/var/lib/cassandra", "/config", "/etc/cassandra", "/var/log/cassandra", "/tmp/oss-mgmt.sock",
		"/tmp/casshook-agent-standin.sock", "/usr/local/bin/mgmtapi-standin",
	}, []string{l.Home(), l.Volume(), l.Config(), l.Etc(), l.Log(), l.Socket(), l.AgentSocket(), l.Binary()})
}

func TestTail(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	require.Empty(t, tail(path, 4))
	require.NoError(t, os.WriteFile(path, []byte("abcdef"), 0o644))
	require.Equal(t, "cdef", tail(path, 4))
	require.Equal(t, "abcdef", tail(path, 40))
}
