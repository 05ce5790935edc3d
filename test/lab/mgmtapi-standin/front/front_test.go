package front_test

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/mgmtapi-standin/front"
)

const (
	startPath     = "/api/v0/lifecycle/start"
	stopPath      = "/api/v0/lifecycle/stop"
	pidPath       = "/api/v0/lifecycle/pid"
	livenessPath  = "/api/v0/probes/liveness"
	readinessPath = "/api/v0/probes/readiness"
	drainPath     = "/api/v0/ops/node/drain"
	rolePath      = "/api/v0/ops/auth/role"
)

func ok(text string) answer { return answer{http.StatusOK, text} }

func closed() answer {
	return answer{http.StatusInternalServerError, "Internal connection to Cassandra closed"}
}

// fake is a front over a shell script instead of a JVM.
func fake(t *testing.T, script string) front.Options {
	t.Helper()
	l := front.Layout{Root: short(t)}
	for _, dir := range []string{l.Tmp(), l.Log(), l.Etc(), l.Config(), filepath.Join(l.Home(), "conf")} {
		require.NoError(t, os.MkdirAll(dir, 0o755))
	}
	return front.Options{
		Layout: l, Host: "127.0.0.1", Port: freePort(t), StopTimeout: 10 * time.Second,
		Command: func(once []string) ([]string, error) {
			return append([]string{"sh", "-c", script, "cassandra"}, once...), nil
		},
	}
}

// patient ends with SIGTERM, within the time a sleep takes.
const patient = `trap "exit 0" TERM; echo "$@" > args; while :; do sleep 0.02; done`

// agent answers in the Java agent's place; it notes what came.
func agent(t *testing.T, l front.Layout) *[]string {
	t.Helper()
	listener, err := net.Listen("unix", l.AgentSocket())
	require.NoError(t, err)
	var seen []string
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Method+" "+r.RequestURI)
		w.Header().Set("Content-Type", "text/plain")
		switch r.URL.Path {
		case readinessPath, rolePath:
			_, _ = w.Write([]byte("OK"))
		default:
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte("Failed to execute method NodeOps.drain"))
		}
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return &seen
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	o := fake(t, patient)
	c, end := serve(t, o)

	require.Equal(t, ok("OK"), c.get(livenessPath), "nothing was asked to run")
	require.Equal(t, answer{http.StatusNoContent, ""}, c.get(pidPath))
	require.Equal(t, closed(), c.get(readinessPath))
	require.Equal(t, closed(), c.post(drainPath, nil))
	require.Equal(t, ok("OK\n"), c.post(stopPath, nil), "stopping nothing")

	require.Equal(t, answer{http.StatusCreated, "OK\n"}, c.post(startPath, nil))
	require.Equal(t, answer{http.StatusNoContent, ""}, c.post(startPath, nil), "runs, does not answer")
	pid := c.get(pidPath)
	require.Equal(t, http.StatusOK, pid.status)
	require.Equal(t, ok("OK"), c.get(livenessPath))
	require.Equal(t, closed(), c.get(readinessPath), "the agent is not there yet")

	agent(t, o.Layout)
	require.Equal(t, ok("OK"), c.get(readinessPath))
	require.Equal(t, answer{http.StatusAccepted, ""}, c.post(startPath, nil), "runs and answers")
	require.Equal(t, pid, c.get(pidPath), "still the same one")

	require.Equal(t, ok("OK\n"), c.post(stopPath, nil))
	require.False(t, exists(t, pid.text))
	require.Equal(t, answer{http.StatusNoContent, ""}, c.get(pidPath))
	require.Equal(t, ok("OK"), c.get(livenessPath), "it was asked to stop")
	require.Equal(t, closed(), c.get(readinessPath))

	require.Equal(t, answer{http.StatusCreated, "OK\n"}, c.post(startPath, nil))
	again := c.get(pidPath)
	require.NotEqual(t, pid, again)
	require.NoError(t, end())
	require.False(t, exists(t, again.text), "it does not outlive the front")
}

func exists(t *testing.T, pid string) bool {
	t.Helper()
	number, err := strconv.Atoi(pid)
	require.NoError(t, err)
	return !errors.Is(syscall.Kill(number, 0), syscall.ESRCH)
}

func TestStartWithParameters(t *testing.T) {
	t.Parallel()
	o := fake(t, patient)
	c, _ := serve(t, o)
	bad := c.post(startPath, url.Values{"replace_ip": {"10.0.0"}})
	require.Equal(t, answer{http.StatusBadRequest, "Invalid replace IP passed: 10.0.0"}, bad)
	require.Equal(t, http.StatusBadRequest, c.post(startPath, url.Values{"profile": {"p"}}).status)
	require.Equal(t, ok("OK"), c.get(livenessPath), "a wrong request asks for nothing")
	require.Equal(t, http.StatusCreated, c.post(startPath, url.Values{"replace_ip": {"10.0.0.7"}}).status)
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(filepath.Join(o.Layout.Log(), "args"))
		return strings.TrimSpace(string(text)) == "-Dcassandra.replace_address_first_boot=10.0.0.7"
	}, time.Minute, 10*time.Millisecond)
}

func TestDeathOfCassandraIsNotLive(t *testing.T) {
	t.Parallel()
	o := fake(t, `echo why >&2; exit 3`)
	c, _ := serve(t, o)
	require.Equal(t, http.StatusCreated, c.post(startPath, nil).status)
	c.eventually(livenessPath, answer{http.StatusInternalServerError, "Cassandra was asked to run and does not"}, time.Minute)
	require.Equal(t, closed(), c.get(readinessPath))
	text, err := os.ReadFile(filepath.Join(o.Layout.Log(), "stderr.log"))
	require.NoError(t, err)
	require.Equal(t, "why\n", string(text))
	require.Equal(t, http.StatusOK, c.post(stopPath, nil).status)
	require.Equal(t, ok("OK"), c.get(livenessPath))
}

func TestWhatCannotBeStarted(t *testing.T) {
	t.Parallel()
	o := fake(t, "")
	o.Command = func([]string) ([]string, error) { return []string{"/no/such/java"}, nil }
	c, _ := serve(t, o)
	require.Equal(t, answer{420, "Error starting Cassandra"}, c.post(startPath, nil))
	require.Equal(t, http.StatusInternalServerError, c.get(livenessPath).status)
	require.Equal(t, http.StatusNoContent, c.get(pidPath).status)
}

func TestStopKillsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	o := fake(t, `trap "" TERM; touch ready; while :; do sleep 0.02; done`)
	o.StopTimeout = 100 * time.Millisecond
	c, _ := serve(t, o)
	require.Equal(t, http.StatusCreated, c.post(startPath, nil).status)
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(o.Layout.Log(), "ready"))
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	pid := c.get(pidPath)
	require.Equal(t, ok("OK\n"), c.post(stopPath, nil))
	require.False(t, exists(t, pid.text))
}

func TestForwardsAllElseUnchanged(t *testing.T) {
	t.Parallel()
	o := fake(t, patient)
	o.AtOnce = true
	c, _ := serve(t, o)
	require.Eventually(t, func() bool { return c.get(pidPath).status == http.StatusOK }, time.Minute, 10*time.Millisecond)
	seen := agent(t, o.Layout)
	query := url.Values{"username": {"a b"}, "password": {"p&w;ä"}, "is_superuser": {"true"}, "can_login": {"true"}}
	require.Equal(t, ok("OK"), c.post(rolePath, query))
	require.Equal(t, answer{500, "Failed to execute method NodeOps.drain"}, c.post(drainPath, nil))
	require.Equal(t, []string{"POST " + rolePath + "?" + query.Encode(), "POST " + drainPath}, *seen)
}

func TestGathersTheConfiguration(t *testing.T) {
	t.Parallel()
	o := fake(t, patient)
	write := func(dir, name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	write(filepath.Join(o.Layout.Home(), "conf"), "logback.xml", "image")
	write(filepath.Join(o.Layout.Home(), "conf"), "other", "image")
	write(o.Layout.Config(), "logback.xml", "init container")
	write(o.Layout.Etc(), "logback.xml", "former start")
	require.NoError(t, os.Mkdir(filepath.Join(o.Layout.Config(), "directory"), 0o755))
	serve(t, o)
	for name, want := range map[string]string{"logback.xml": "init container", "other": "image"} {
		text, err := os.ReadFile(filepath.Join(o.Layout.Etc(), name))
		require.NoError(t, err)
		require.Equal(t, want, string(text))
	}
}
