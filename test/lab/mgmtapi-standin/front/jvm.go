package front

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/casshook/casshook/test/lab/cassandra"
)

// FastStart are the options that LAB_FAST_START adds. Cassandra waits 30 s for the old addresses of peers that all got new
// ones (the shadow round), 2 x 30 s when a node bootstraps, 8 s for gossip to settle, and 2 s to announce its end. The delay
// is not as short as on the lab's host rings, where nothing is resolved by DNS and nodes do not bootstrap.
func FastStart() []string {
	return []string{
		"-Dcassandra.ring_delay_ms=5000",
		"-Dcassandra.skip_wait_for_gossip_to_settle=0",
		"-Dcassandra.shutdown_announce_in_ms=200",
	}
}

// noDefaultRole keeps Cassandra from making the superuser cassandra/cassandra. The real one's agent rewrites that method of
// CassandraRoleManager when the property is set; Cassandra itself knows only a delay before it, here of three years, and our
// agent does the rest when the first role is made.
func noDefaultRole() []string {
	return []string{"-Dcassandra.skip_default_role_setup=true", "-Dcassandra.superuser_setup_delay_ms=94608000000"}
}

// collector matches options that choose a garbage collector; there can be only one.
var collector = regexp.MustCompile(`^-XX:\+Use\w*GC$`)

// command is the JVM's argv; once holds what belongs to this start only. Later options win over earlier ones.
func (o Options) command(once []string) ([]string, error) {
	l := o.Layout
	jamm, err := filepath.Glob(filepath.Join(l.Home(), "lib", "jamm-*.jar"))
	if err != nil || len(jamm) != 1 {
		return nil, fmt.Errorf("find jamm in %s/lib: %d files, want one", l.Home(), len(jamm))
	}
	own, err := readOptions(filepath.Join(l.Etc(), "jvm-server.options"), filepath.Join(l.Etc(), "cassandra-env.options"))
	if err != nil {
		return nil, err
	}
	own = append(own, o.ExtraJVM...)
	flags := append([]string{"-Xms256m", "-Xmx512m"}, cassandra.ServerJVM()...)
	if slices.ContainsFunc(own, collector.MatchString) {
		flags = slices.DeleteFunc(flags, collector.MatchString)
	}
	argv := slices.Concat([]string{o.Java}, flags, noDefaultRole(), []string{
		"-XX:ErrorFile=" + filepath.Join(l.Log(), "hs_err.log"),
		"-Djava.io.tmpdir=" + l.Tmp(),
		"-Djna.tmpdir=" + l.Tmp(), // else below the home directory, which may not be writable
		"-Duser.home=" + l.Tmp(),
		"-javaagent:" + jamm[0],
		"-javaagent:" + l.AgentJar() + "=" + l.agentConfig(),
		"-Dcassandra.config=file://" + filepath.Join(l.Etc(), "cassandra.yaml"),
		"-Dcassandra-rackdc.properties=file://" + filepath.Join(l.Etc(), "cassandra-rackdc.properties"),
		"-Dlogback.configurationFile=file://" + filepath.Join(l.Etc(), "logback.xml"),
		"-Dcassandra.storagedir=" + filepath.Join(l.Home(), "data"),
		"-Dcassandra.logdir=" + l.Log(),
		"-Dcassandra.jmx.local.port=" + strconv.Itoa(o.JMXPort),
	})
	if o.Fast {
		argv = append(argv, FastStart()...)
	}
	argv = slices.Concat(argv, own, once)
	return append(argv, "-cp", filepath.Join(l.Home(), "lib", "*"), cassandra.DaemonClass), nil
}

func (l Layout) agentConfig() string {
	return filepath.Join(l.Tmp(), "casshook-agent-standin.properties")
}

// writeAgentConfig tells the agent its socket, and the JVM to ask the DNS again soon: pods change their addresses.
func (l Layout) writeAgentConfig() error {
	text := fmt.Sprintf("socket=%s\ndnsSeconds=2\n", l.AgentSocket())
	if err := os.WriteFile(l.agentConfig(), []byte(text), 0o644); err != nil {
		return fmt.Errorf("configure agent: %w", err)
	}
	return nil
}

// readOptions reads files of JVM options as Cassandra's scripts do: words, and lines that begin with # are comments. A file
// that is not there has none.
func readOptions(paths ...string) ([]string, error) {
	var options []string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read options of the JVM: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") {
				options = append(options, strings.Fields(line)...)
			}
		}
	}
	return options, nil
}

// configure gathers the configuration in Etc: the image's files, then those of the init container over them.
func (l Layout) configure() error {
	for _, dir := range []string{filepath.Join(l.Home(), "conf"), l.Config()} {
		if err := copyFiles(dir, l.Etc()); err != nil {
			return fmt.Errorf("gather configuration: %w", err)
		}
	}
	return nil
}

// copyFiles copies what is a file, or a link to one, directly in a directory; a directory that is not there has none.
func copyFiles(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(from, entry.Name())
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, entry.Name()), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
