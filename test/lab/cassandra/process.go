package cassandra

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// launch starts a command in a process group of its own and returns its pid.
//
// Unless it is detached, the kernel kills the process when the thread that forked it ends (PR_SET_PDEATHSIG). So a goroutine
// keeps that thread to itself until the process has ended; it reaps the process, too.
func launch(cmd *exec.Cmd, detached bool) (int, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if !detached {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return 0, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return cmd.Process.Pid, nil
}

// alive says whether pid is a running process whose command line contains mark. A zombie is not alive. The mark keeps us
// from touching a process that got the number of one of ours.
func alive(pid int, mark string) bool {
	if pid <= 0 {
		return false
	}
	if state := processState(pid); state == 0 || state == 'Z' || state == 'X' {
		return false
	}
	cmdline, err := readArgv(pid)
	return err == nil && bytes.Contains(cmdline, []byte(mark))
}

// readArgv reads a process's command line. It is empty for a moment while the process is being replaced by the program
// that it was started for, after the start was reported.
func readArgv(pid int) ([]byte, error) {
	const tries = 100
	for i := 0; ; i++ {
		cmdline, err := os.ReadFile(procDir(pid) + "/cmdline")
		if err != nil || len(cmdline) > 0 || i == tries {
			return cmdline, err
		}
		time.Sleep(time.Millisecond)
	}
}

// dying says whether pid is a zombie with threads that have not ended yet: they may still hold its ports and files.
func dying(pid int) bool {
	tasks, err := os.ReadDir(procDir(pid) + "/task")
	return err == nil && len(tasks) > 1 && processState(pid) == 'Z'
}

func procDir(pid int) string { return "/proc/" + strconv.Itoa(pid) }

// processState is the letter in /proc/PID/stat, 0 when there is no such process.
func processState(pid int) byte {
	stat, err := os.ReadFile(procDir(pid) + "/stat")
	if err != nil {
		return 0
	}
	// pid (name) state …: the name may hold anything, so the last parenthesis counts.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) == 0 {
		return 0
	}
	return fields[0][0]
}

// end sends a signal to the process if it is ours and waits until it is gone.
func end(ctx context.Context, pid int, mark string, signal syscall.Signal) error {
	if !alive(pid, mark) {
		return nil
	}
	if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to %d: %w", signal, pid, err)
	}
	for alive(pid, mark) || dying(pid) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the end of process %d: %w", pid, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// readPID returns 0 when there is no pid file.
func readPID(path string) (int, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read pid: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("parse pid in %s: %w", path, err)
	}
	return pid, nil
}
