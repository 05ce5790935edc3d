package cassandra

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// parentEnv makes this test binary start a sleep as a ring would, print its pid and wait to be killed.
const parentEnv = "CASSHOOK_LAB_TEST_PARENT"

func TestMain(m *testing.M) {
	if mode := os.Getenv(parentEnv); mode != "" {
		pid, err := launch(exec.Command("sleep", "61"), mode == "detached")
		if err != nil {
			panic(err)
		}
		_, _ = os.Stdout.WriteString(strconv.Itoa(pid) + "\n")
		time.Sleep(time.Minute)
	}
	os.Exit(m.Run())
}

func TestAliveAndEnd(t *testing.T) {
	t.Parallel()
	pid, err := launch(exec.Command("sleep", "62"), false)
	require.NoError(t, err)
	require.True(t, alive(pid, "62"))
	require.False(t, alive(pid, "some other command"), "a process with our number that is not ours")
	require.False(t, alive(0, ""))

	require.NoError(t, end(t.Context(), pid, "some other command", syscall.SIGKILL))
	require.True(t, alive(pid, "62"), "what is not ours is not signalled")
	require.NoError(t, end(t.Context(), pid, "62", syscall.SIGTERM))
	require.False(t, alive(pid, "62"))
	require.NoError(t, end(t.Context(), pid, "62", syscall.SIGTERM), "ending twice is no error")
}

func TestZombieIsNotAlive(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "63")
	require.NoError(t, cmd.Start())
	require.True(t, alive(cmd.Process.Pid, "63"))
	require.NoError(t, cmd.Process.Kill())
	require.Eventually(t, func() bool { return !alive(cmd.Process.Pid, "63") }, time.Minute, 10*time.Millisecond)
	_, err := os.Stat("/proc/" + strconv.Itoa(cmd.Process.Pid))
	require.NoError(t, err, "not reaped yet")
	require.False(t, dying(cmd.Process.Pid), "it has no other threads")
	require.Error(t, cmd.Wait())
	require.Zero(t, processState(cmd.Process.Pid))
}

func TestEndGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	pid, err := launch(exec.Command("sh", "-c", `trap "" TERM; echo >"$0"; while :; do sleep 0.1; done`, filepath.Join(t.TempDir(), "ready")), false)
	require.NoError(t, err)
	time.Sleep(200 * time.Millisecond)
	soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, end(soon, pid, "trap", syscall.SIGTERM), context.DeadlineExceeded)
	require.NoError(t, end(t.Context(), pid, "trap", syscall.SIGKILL))
}

func TestLaunchOfNothing(t *testing.T) {
	t.Parallel()
	_, err := launch(exec.Command("/no/such/program"), false)
	require.ErrorContains(t, err, "start /no/such/program")
}

// What is not detached dies with the process that started it, however that one ends.
func TestFateOfChildrenWhenTheirParentIsKilled(t *testing.T) {
	t.Parallel()
	for mode, survives := range map[string]bool{"attached": false, "detached": true} {
		parent := exec.Command(os.Args[0])
		parent.Env = append(os.Environ(), parentEnv+"="+mode)
		out, err := parent.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, parent.Start())
		line, err := bufio.NewReader(out).ReadString('\n')
		require.NoError(t, err)
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		require.NoError(t, err)
		require.True(t, alive(pid, "sleep"))

		require.NoError(t, parent.Process.Kill())
		_ = parent.Wait()
		if survives {
			time.Sleep(200 * time.Millisecond)
			require.True(t, alive(pid, "sleep"), mode)
			require.NoError(t, end(t.Context(), pid, "sleep", syscall.SIGKILL))
		} else {
			require.Eventually(t, func() bool { return !alive(pid, "sleep") }, time.Minute, 10*time.Millisecond, mode)
		}
	}
}

func TestReadPID(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pid")
	pid, err := readPID(path)
	require.NoError(t, err)
	require.Zero(t, pid)
	require.NoError(t, os.WriteFile(path, []byte("42\n"), 0o644))
	pid, err = readPID(path)
	require.NoError(t, err)
	require.Equal(t, 42, pid)
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o644))
	_, err = readPID(path)
	require.Error(t, err)
}
