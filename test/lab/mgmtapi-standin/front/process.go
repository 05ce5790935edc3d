package front

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// children are the processes below this one. Those that were started here are waited for here; all others are orphans that
// the kernel gave to us, and only have to be reaped.
type children struct {
	mu  sync.Mutex
	own map[int]bool
}

// process is a started program.
type process struct {
	pid   int
	ended chan struct{} // closed when it has ended and was reaped
	state string        // how it ended; read after ended is closed
}

// start launches a program with a session of its own. The kernel kills it when this process ends (PR_SET_PDEATHSIG): more
// exactly when the thread that forked it ends, so that a goroutine keeps that thread to itself until then.
func (c *children) start(argv []string, dir string, stdout, stderr *os.File) (*process, error) {
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:noctx // it lives until it is asked to end, not as long as a call
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	p := &process{ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		err := c.fork(cmd)
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait()
		p.state = cmd.ProcessState.String()
		c.mu.Lock()
		delete(c.own, cmd.Process.Pid)
		c.mu.Unlock()
		close(p.ended)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

func (c *children) fork(cmd *exec.Cmd) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	if c.own == nil {
		c.own = map[int]bool{}
	}
	c.own[cmd.Process.Pid] = true
	return nil
}

// reap takes the status of every ended child that was not started here, so that it does not stay as a zombie.
func (c *children) reap() {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		pid, parent, zombie := readStat(path)
		if zombie && parent == os.Getpid() && !c.own[pid] {
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
	}
}

// readStat reads /proc/PID/stat; a process that is gone meanwhile is no zombie.
func readStat(path string) (pid, parent int, zombie bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, false
	}
	var state string
	// pid (name) state parent …: the name may hold anything, so the last parenthesis counts.
	head, rest, _ := cutLast(string(text), ")")
	if _, err := fmt.Sscan(rest, &state, &parent); err != nil {
		return 0, 0, false
	}
	if _, err := fmt.Sscan(head, &pid); err != nil {
		return 0, 0, false
	}
	return pid, parent, state == "Z"
}

func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}

func (p *process) running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// killTimeout is how long a killed process may take to be gone.
const killTimeout = 5 * time.Second

// stop ends the process with SIGTERM, or with SIGKILL when patience is over.
func (p *process) stop(patience time.Duration) error {
	if p.signal(syscall.SIGTERM, patience) || p.signal(syscall.SIGKILL, killTimeout) {
		return nil
	}
	return fmt.Errorf("kill process %d: still there after %s", p.pid, killTimeout)
}

func (p *process) signal(signal syscall.Signal, limit time.Duration) (ended bool) {
	if p.running() {
		_ = syscall.Kill(p.pid, signal) // not reaped yet, so the number is still this process's
	}
	select {
	case <-p.ended:
		return true
	case <-time.After(limit):
		return false
	}
}

// tail is the end of a file, for a log line; nothing when there is none.
func tail(path string, size int64) string {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		return err.Error()
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err.Error()
	}
	text := make([]byte, min(size, info.Size()))
	if _, err := file.ReadAt(text, info.Size()-int64(len(text))); err != nil {
		return err.Error()
	}
	return strings.ToValidUTF8(string(text), "?")
}
