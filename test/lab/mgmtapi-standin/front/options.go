package front

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// TLSFiles are PEM files: the CA that clients' certificates come from, and the server's certificate and key.
type TLSFiles struct{ CA, Cert, Key string }

// Options say how to serve.
type Options struct {
	Layout Layout
	// Host and Port are where the API listens besides the socket.
	Host string
	Port int
	// TLS, when not nil, is for TCP: HTTPS, and clients must show a certificate. The socket never has it.
	TLS *TLSFiles
	// AtOnce starts Cassandra without being asked.
	AtOnce bool
	// Fast shortens Cassandra's waits for gossip at start and stop; see FastStart.
	Fast bool
	// JMXPort is on 127.0.0.1, without authentication.
	JMXPort int
	// Java is the program.
	Java string
	// ExtraJVM come after all other options of the JVM.
	ExtraJVM []string
	// StopTimeout is how long Cassandra may take to end after SIGTERM before it is killed.
	StopTimeout time.Duration
	// Reap takes the place of init: orphans that become children of this process are reaped.
	Reap bool
	// Command makes Cassandra's argv, given the options that belong to one start; nil is the JVM. It is there for tests.
	Command func(once []string) ([]string, error)
}

// OptionsFromEnv reads what the operator sets in the container, and LAB_FAST_START, which the image sets. Every problem is
// told at once.
func OptionsFromEnv(env func(string) string) (Options, error) {
	o := Options{
		Host: "0.0.0.0", Port: 8080, JMXPort: 7199, StopTimeout: 30 * time.Second, Reap: true,
		AtOnce:   env("MGMT_API_EXPLICIT_START") != "true",
		Fast:     env("LAB_FAST_START") == "true",
		ExtraJVM: strings.Fields(env("JVM_EXTRA_OPTS")),
	}
	var problems []error
	if text := env("MGMT_API_LISTEN_TCP_PORT"); text != "" {
		port, err := strconv.Atoi(text)
		if err != nil || port < 1 || port > 65535 {
			problems = append(problems, fmt.Errorf("MGMT_API_LISTEN_TCP_PORT: %q is not a port", text))
		}
		o.Port = port
	}
	files := TLSFiles{
		CA: env("MGMT_API_TLS_CA_CERT_FILE"), Cert: env("MGMT_API_TLS_CERT_FILE"), Key: env("MGMT_API_TLS_KEY_FILE"),
	}
	if files != (TLSFiles{}) {
		o.TLS = &files
		if files.CA == "" || files.Cert == "" || files.Key == "" {
			problems = append(problems, errors.New("MGMT_API_TLS_{CA_CERT,CERT,KEY}_FILE: set all three or none"))
		}
	}
	java, err := findJava(env("JAVA_HOME"))
	if err != nil {
		problems = append(problems, err)
	}
	o.Java = java
	return o, errors.Join(problems...)
}

func findJava(home string) (string, error) {
	if home != "" {
		return filepath.Join(home, "bin", "java"), nil
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return "", errors.New("java is not on PATH; install Java 17 or set JAVA_HOME")
	}
	return java, nil
}
