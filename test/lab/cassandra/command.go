package cassandra

import (
	"path/filepath"
	"strconv"
)

// quickJVM makes short-lived and small JVMs start faster: one simple compiler, the simplest collector, no shared counters.
func quickJVM() []string {
	return []string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xshare:auto"}
}

// ServerJVM are the options of every JVM of the lab that runs Cassandra, whatever its heap, files and agents.
func ServerJVM() []string {
	flags := append([]string{"-Xss512k"}, quickJVM()...)
	flags = append(flags, moduleFlags()...)
	return append(flags,
		"-XX:+ExitOnOutOfMemoryError",
		"-Djdk.attach.allowAttachSelf=true",
		"-Djava.security.manager=allow",
		"-Dcassandra-foreground=yes", // without it the daemon closes stdout and stderr once it is up
	)
}

// DaemonClass is the main class of a node.
const DaemonClass = "org.apache.cassandra.service.CassandraDaemon"

// NodetoolClass is the main class of nodetool.
const NodetoolClass = "org.apache.cassandra.tools.NodeTool"

// command is the node's argv. The class path has no directory in it, so the configuration is named by properties.
func (n *Node) command() []string {
	state := n.ring.state
	heap := strconv.Itoa(state.Options.HeapMB) + "m"
	argv := []string{filepath.Join(state.JavaHome, "bin", "java"), "-Xms256m", "-Xmx" + heap}
	argv = append(argv, ServerJVM()...)
	argv = append(argv,
		"-XX:ErrorFile="+filepath.Join(n.dir, "hs_err.log"),
		"-Djava.io.tmpdir="+filepath.Join(n.dir, "tmp"),
		"-javaagent:"+state.Jamm,
		"-javaagent:"+state.Agent+"="+n.conf("standin.properties"),
		"-Dcassandra.config=file://"+n.conf("cassandra.yaml"),
		"-Dcassandra-rackdc.properties=file://"+n.conf("cassandra-rackdc.properties"),
		"-Dlogback.configurationFile=file://"+n.conf("logback.xml"),
		"-Dcassandra.storagedir="+n.dir,
		"-Dcassandra.logdir="+n.dir,
		"-Dcassandra.jmx.local.port="+strconv.Itoa(n.JMXPort),
		"-Dcassandra.skip_wait_for_gossip_to_settle=0",
		"-Dcassandra.ring_delay_ms=1000",
		"-Dcassandra.shutdown_announce_in_ms=200", // how long a stop waits for gossip to spread it, else 2 s
		"-Dcassandra.superuser_setup_delay_ms=0",
		"-Dcassandra.consistent.rangemovement=false",
		"-cp", filepath.Join(state.Lib, "*"),
		DaemonClass,
	)
	return argv
}

// NodetoolJVM are the options of every JVM of the lab that runs nodetool.
func NodetoolJVM() []string {
	return append(append([]string{"-Xmx128m"}, quickJVM()...),
		"--add-exports", "java.rmi/sun.rmi.server=ALL-UNNAMED",
		"--add-exports", "java.base/sun.nio.ch=ALL-UNNAMED",
		"--add-exports", "java.base/jdk.internal.ref=ALL-UNNAMED",
		"--add-exports", "java.base/jdk.internal.misc=ALL-UNNAMED",
		"--add-opens", "java.base/sun.nio.ch=ALL-UNNAMED",
	)
}

// nodetool is the argv of nodetool for the node with that JMX port; home keeps its history file out of the user's.
func nodetool(state state, home string, port int) []string {
	argv := append([]string{filepath.Join(state.JavaHome, "bin", "java")}, NodetoolJVM()...)
	argv = append(argv,
		"-Duser.home="+home,
		"-Dcassandra.storagedir="+home,
		"-Dcassandra.logdir="+home,
		"-Dlogback.configurationFile=file://"+filepath.Join(home, "logback.xml"),
		"-cp", filepath.Join(state.Lib, "*"),
		NodetoolClass, "-h", "127.0.0.1", "-p", strconv.Itoa(port),
	)
	return argv
}
