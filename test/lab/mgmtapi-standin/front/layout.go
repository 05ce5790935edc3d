// Package front is the process that users of the Management API talk to in a pod: it is there before Cassandra, starts and
// stops it on request, says whether it lives, and passes everything else on to the Java agent inside Cassandra (package
// standin). It stands in for the server half of the Management API for Apache Cassandra; it is not that server.
package front

import "path/filepath"

// Layout is where things are in the image. The zero value is the image's own root directory.
type Layout struct {
	// Root is put before every path; a test has a directory of its own there.
	Root string
}

func (l Layout) at(path string) string { return filepath.Join("/", l.Root, path) }

// Home is Cassandra's: lib, bin and conf, and data, which points to Volume.
func (l Layout) Home() string { return l.at("opt/cassandra") }

// Volume is the persistent volume.
func (l Layout) Volume() string { return l.at("var/lib/cassandra") }

// Config is what the init container leaves.
func (l Layout) Config() string { return l.at("config") }

// Etc is the configuration that Cassandra reads.
func (l Layout) Etc() string { return l.at("etc/cassandra") }

// Log gets system.log, and what the JVM writes to stdout and stderr.
func (l Layout) Log() string { return l.at("var/log/cassandra") }

// Tmp is for sockets and temporary files.
func (l Layout) Tmp() string { return l.at("tmp") }

// Socket is the API without TLS; the name is that of the real one (its docker-entrypoint.sh), which clients in the pod know.
func (l Layout) Socket() string { return filepath.Join(l.Tmp(), "oss-mgmt.sock") }

// AgentSocket is where the Java agent answers the front, and nobody else.
func (l Layout) AgentSocket() string { return filepath.Join(l.Tmp(), "casshook-agent-standin.sock") }

// AgentJar is the Java agent, beside Cassandra's jars.
func (l Layout) AgentJar() string { return filepath.Join(l.Home(), "lib", "mgmtapi-standin-agent.jar") }

// Binary is the program that the containers run.
func (l Layout) Binary() string { return l.at("usr/local/bin/mgmtapi-standin") }
