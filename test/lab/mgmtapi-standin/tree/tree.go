// Package tree writes what the lab's Cassandra image has beyond its base (an operating system with Java 17 and the user
// cassandra): Cassandra's jars, nodetool, the Java agent, and the program that the containers run.
package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/casshook/casshook/test/lab/cassandra"
	standin "github.com/casshook/casshook/test/lab/mgmtapi-standin"
	"github.com/casshook/casshook/test/lab/mgmtapi-standin/front"
)

// program is the package that Layout.Binary is built from.
const program = "github.com/casshook/casshook/test/lab/mgmtapi-standin/cmd/mgmtapi-standin"

// Write puts the tree of a pinned version below dir, which must not have opt/cassandra yet. Names, bytes and modes are the
// same for the same version, sources and tools; times are not set. It must be called inside the project's module, since it
// builds a program of it.
func Write(ctx context.Context, version, dir string) error {
	lib, err := cassandra.Fetch(ctx, version)
	if err != nil {
		return err
	}
	home, err := cassandra.JavaHome(ctx)
	if err != nil {
		return err
	}
	cache, err := cassandra.CacheDir()
	if err != nil {
		return err
	}
	agent, err := standin.Build(ctx, home, filepath.Join(cache, "mgmtapi-standin"))
	if err != nil {
		return err
	}
	l := front.Layout{Root: dir}
	if _, err := os.Lstat(l.Home()); err == nil {
		return fmt.Errorf("write tree of %s: %s is there already", version, l.Home())
	}
	for _, step := range []func() error{
		func() error { return directories(l) },
		func() error { return jars(lib, filepath.Join(l.Home(), "lib")) },
		func() error { return install(agent, l.AgentJar()) },
		func() error { return scripts(l) },
		func() error { return Build(ctx, l.Binary()) },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("write tree of %s: %w", version, err)
		}
	}
	return nil
}

// directories makes those of the image; pods mount volumes over some of them.
func directories(l front.Layout) error {
	home := l.Home()
	for _, path := range []string{
		filepath.Join(home, "lib"), filepath.Join(home, "bin"), filepath.Join(home, "conf"), filepath.Dir(l.Binary()),
		l.Volume(), l.Log(), l.Etc(), l.Config(),
	} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(path, 0o755); err != nil { // whatever the umask
			return err
		}
	}
	return os.Symlink("../../var/lib/cassandra", filepath.Join(home, "data"))
}

func jars(from, to string) error {
	paths, err := filepath.Glob(filepath.Join(from, "*.jar"))
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return errors.New("no jars in " + from)
	}
	for _, path := range paths {
		if err := install(path, filepath.Join(to, filepath.Base(path))); err != nil {
			return err
		}
	}
	return nil
}

func install(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	if err := out.Chmod(0o644); err != nil {
		return err
	}
	return out.Close()
}

func scripts(l front.Layout) error {
	for _, f := range []struct {
		path, text string
		mode       os.FileMode
	}{
		{"bin/nodetool", nodetool(), 0o755},
		{"conf/logback.xml", logback, 0o644},
		{"conf/logback-tools.xml", logbackTools, 0o644},
	} {
		path := filepath.Join(l.Home(), f.path)
		if err := os.WriteFile(path, []byte(f.text), f.mode); err != nil {
			return err
		}
		if err := os.Chmod(path, f.mode); err != nil {
			return err
		}
	}
	return nil
}

// nodetool is a script that finds its jars beside itself. Its history goes to /tmp, since homes may not be writable.
func nodetool() string {
	return `#!/bin/sh
# nodetool: asks the Cassandra of this container, on 127.0.0.1:7199 unless -h and -p say otherwise.
home=$(dirname "$(dirname "$(readlink -f "$0")")")
java=java
[ -n "$JAVA_HOME" ] && java=$JAVA_HOME/bin/java
exec "$java" \
  ` + strings.Join(cassandra.NodetoolJVM(), " ") + ` \
  -Duser.home=/tmp -Dcassandra.storagedir=/tmp -Dcassandra.logdir=/tmp \
  "-Dlogback.configurationFile=file://$home/conf/logback-tools.xml" \
  -cp "$home/lib/*" ` + cassandra.NodetoolClass + ` "$@"
`
}

// logback writes system.log, which the container server-system-logger follows. Nothing rolls it: the lab's nodes are young.
const logback = `<configuration>
  <appender name="SYSTEMLOG" class="ch.qos.logback.core.FileAppender">
    <file>${cassandra.logdir}/system.log</file>
    <encoder><pattern>%-5level [%thread] %date{ISO8601} %F:%L - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="SYSTEMLOG"/></root>
</configuration>
`

const logbackTools = `<configuration><root level="OFF"/></configuration>
`

// Build compiles the program, static, with the same bytes for the same sources and toolchain.
func Build(ctx context.Context, to string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", to, program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return os.Chmod(to, 0o755)
}
