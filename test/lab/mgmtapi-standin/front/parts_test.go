package front_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/mgmtapi-standin/front"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestOptionsFromEnv(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"MGMT_API_EXPLICIT_START": "true", "MGMT_API_LISTEN_TCP_PORT": "8090", "JAVA_HOME": "/jre", "LAB_FAST_START": "true",
		"MGMT_API_TLS_CA_CERT_FILE": "/c/ca.crt", "MGMT_API_TLS_CERT_FILE": "/c/tls.crt", "MGMT_API_TLS_KEY_FILE": "/c/tls.key",
		"JVM_EXTRA_OPTS": "-Da=b  -Dc=d",
	}
	o, err := front.OptionsFromEnv(func(name string) string { return env[name] })
	require.NoError(t, err)
	require.Equal(t, front.Options{
		Host: "0.0.0.0", Port: 8090, JMXPort: 7199, StopTimeout: 30 * time.Second, Reap: true, Fast: true, Java: "/jre/bin/java",
		ExtraJVM: []string{"-Da=b", "-Dc=d"}, TLS: &front.TLSFiles{CA: "/c/ca.crt", Cert: "/c/tls.crt", Key: "/c/tls.key"},
	}, o)

	o, err = front.OptionsFromEnv(func(name string) string { return map[string]string{"JAVA_HOME": "/jre"}[name] })
	require.NoError(t, err)
	require.Equal(t, 8080, o.Port)
	require.True(t, o.AtOnce)
	require.Nil(t, o.TLS)

	env = map[string]string{"JAVA_HOME": "/jre", "MGMT_API_LISTEN_TCP_PORT": "x", "MGMT_API_TLS_KEY_FILE": "/k"}
	_, err = front.OptionsFromEnv(func(name string) string { return env[name] })
	require.ErrorContains(t, err, "MGMT_API_LISTEN_TCP_PORT")
	require.ErrorContains(t, err, "all three or none")
}

// output is a buffer for two goroutines.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func TestFollow(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "system.log")
	ctx, cancel := context.WithCancel(t.Context())
	out, done := &output{}, make(chan error)
	go func() { done <- front.Follow(ctx, path, out) }()
	wait := func(want string) {
		t.Helper()
		require.Eventually(t, func() bool { return out.String() == want }, time.Minute, 10*time.Millisecond, "%q", want)
	}
	add := func(text string) {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		require.NoError(t, err)
		_, err = f.WriteString(text)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	add("a\n")
	wait("a\n")
	add("b\n")
	wait("a\nb\n")
	require.NoError(t, os.Truncate(path, 0))
	time.Sleep(500 * time.Millisecond) // a cut is seen while the file is shorter
	add("c\n")
	wait("a\nb\nc\n")
	require.NoError(t, os.Rename(path, path+".1"))
	add("d\n")
	wait("a\nb\nc\nd\n")
	cancel()
	require.NoError(t, <-done)
}

// parentEnv makes this test binary serve as the process of a container would, reaping orphans.
const parentEnv = "CASSHOOK_FRONT_TEST_ROOT"

func TestMain(m *testing.M) {
	if root := os.Getenv(parentEnv); root != "" {
		o := front.Options{
			Layout: front.Layout{Root: root}, Host: "127.0.0.1", StopTimeout: 10 * time.Second, Reap: true, AtOnce: true,
			// The orphan's parent ends at once, so that it goes to the front; the front's own child goes on.
			Command: func([]string) ([]string, error) {
				return []string{"sh", "-c", `(sh -c 'echo $$ > orphan; sleep 0.2' &) ; trap "exit 0" TERM; while :; do sleep 0.02; done`}, nil
			},
		}
		if err := front.Run(context.Background(), o, discard()); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func TestReapsOrphansAndLetsNothingOutliveIt(t *testing.T) {
	t.Parallel()
	o := fake(t, "")
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), parentEnv+"="+o.Layout.Root)
	require.NoError(t, parent.Start())
	t.Cleanup(func() { _ = parent.Process.Kill(); _ = parent.Wait() })
	c := newClient(t, o.Layout.Socket())
	require.Eventually(t, func() bool {
		_, err := os.Stat(o.Layout.Socket())
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	var orphan string
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(filepath.Join(o.Layout.Log(), "orphan"))
		orphan = strings.TrimSpace(string(text))
		return err == nil && orphan != ""
	}, time.Minute, 10*time.Millisecond)
	require.Eventually(t, func() bool { return !exists(t, orphan) }, time.Minute, 10*time.Millisecond, "a zombie would exist")
	pid := c.get(pidPath).text
	require.True(t, exists(t, pid), "its own child is left alone")

	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	require.Eventually(t, func() bool { return gone(pid) }, time.Minute, 10*time.Millisecond)
}

// gone says whether a process has ended; init may be late to reap it.
func gone(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}
