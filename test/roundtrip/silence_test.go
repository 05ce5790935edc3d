//go:build ring && full

package roundtrip

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/cassandra"
)

// TestStoppedAgent stops the agent of a node, as a node that hangs would: hooks end with
// what happened, and the next one works.
func TestStoppedAgent(t *testing.T) {
	t.Parallel()
	w := small(t, cassandra.Options{})
	want := w.digest(t)
	const silent = "no heartbeat from the agent for 45s"
	require.Contains(t, w.stopped(t, "before-backup"), silent)
	w.backup(t)
	w.damage(t)
	require.Contains(t, w.stopped(t, "after-restore", "--in-place"), silent)
	w.must(t, "after-restore", "--in-place")
	w.same(t, want)
}

// stopped runs casshook, stops its agent as soon as there is one, and gives stderr.
func (w *world) stopped(t *testing.T, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(filepath.Join(binaries, "casshook"), append(args, "--inventory", w.inventory)...)
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	agent := 0
	require.Eventually(t, func() bool {
		for _, child := range childrenOf(cmd.Process.Pid) {
			name, _ := os.ReadFile("/proc/" + child + "/comm")
			if strings.TrimSpace(string(name)) == "casshook-agent" {
				agent, _ = strconv.Atoi(child)
			}
		}
		return agent != 0
	}, time.Minute, 5*time.Millisecond)
	time.Sleep(300 * time.Millisecond) // it said hello
	require.NoError(t, syscall.Kill(agent, syscall.SIGSTOP))
	require.Error(t, cmd.Wait())
	require.ErrorIs(t, syscall.Kill(agent, 0), syscall.ESRCH, "it is killed")
	return stderr.String()
}

// childrenOf lists the processes that any thread of a process started.
func childrenOf(pid int) []string {
	var found []string
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, thread := range threads {
		children, _ := os.ReadFile(thread)
		found = append(found, strings.Fields(string(children))...)
	}
	return found
}
