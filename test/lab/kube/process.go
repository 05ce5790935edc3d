package kube

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// unit is one long-running process of the lab.
type unit struct {
	name string
	argv []string
	env  []string
}

// record is a unit's file in state/run. The start time tells our process from a later one that got the same pid.
type record struct {
	PID int `json:"pid"`
	// Start is in clock ticks since boot; Boot the kernel's id of this boot.
	Start string `json:"start"`
	Boot  string `json:"boot"`
	// Key tells what was started, so that a program that was built anew, or has other arguments, is started again.
	Key string `json:"key"`
}

func (l *Lab) recordFile(name string) string { return l.run(name + ".pid") }

// start starts a unit in the lab's network namespace unless it runs already; the process outlives this one.
func (l *Lab) start(ctx context.Context, u unit) error {
	key := unitKey(u)
	if r, ok := l.record(u.name); ok {
		if r.Key == key {
			return nil
		}
		l.Log("restart %s: it has changed", u.name)
		if err := l.stop(ctx, u.name, stopGrace); err != nil {
			return err
		}
	}
	argv := append([]string{"nsenter", "--net=" + l.namespaceFile(), "--"}, u.argv...)
	log, err := os.OpenFile(l.logFile(u.name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: %w", u.name, err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), u.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", u.name, err)
	}
	go func() { _ = cmd.Wait() }() // reaps it if it ends while we live
	pid := cmd.Process.Pid
	_, start := processStat(pid)
	text, err := json.Marshal(record{PID: pid, Start: start, Boot: bootID(), Key: key})
	if err != nil {
		return err
	}
	return put(l.recordFile(u.name), text, 0o644)
}

// unitKey is of the command, and of the sources where we built the program.
func unitKey(u unit) string {
	sources, _ := os.ReadFile(u.argv[0] + ".key") // Debian's programs have none
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %s", u.argv, u.env, sources))
	return hex.EncodeToString(sum[:])
}

// record is that of a unit that runs.
func (l *Lab) record(name string) (record, bool) {
	var r record
	text, err := os.ReadFile(l.recordFile(name))
	if err != nil || json.Unmarshal(text, &r) != nil || r.Boot != bootID() {
		return r, false
	}
	state, start := processStat(r.PID)
	return r, start == r.Start && state != 'Z' && state != 'X'
}

// pid is that of a unit, 0 when it does not run.
func (l *Lab) pid(name string) int {
	r, ok := l.record(name)
	if !ok {
		return 0
	}
	return r.PID
}

func (l *Lab) alive(name string) bool { return l.pid(name) != 0 }

// units are the names of all units that have a record, sorted.
func (l *Lab) units() []string {
	files, _ := filepath.Glob(l.run("*.pid")) // the pattern is well-formed
	names := make([]string, 0, len(files))
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".pid"))
	}
	slices.Sort(names)
	return names
}

// stop ends a unit: SIGTERM, and SIGKILL when it takes longer than grace.
func (l *Lab) stop(ctx context.Context, name string, grace time.Duration) error {
	if pid := l.pid(name); pid != 0 {
		if err := signal(pid, syscall.SIGTERM); err != nil {
			return err
		}
		gone := func(context.Context) error {
			if l.alive(name) {
				return errors.New("it still runs")
			}
			return nil
		}
		if wait(ctx, grace, "the end of "+name, gone) != nil {
			l.Log("%s does not end within %s, killing it", name, grace)
			if err := signal(pid, syscall.SIGKILL); err != nil {
				return err
			}
			if err := wait(ctx, grace, "the end of "+name+" after SIGKILL", gone); err != nil {
				return err
			}
		}
	}
	if err := os.Remove(l.recordFile(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("stop %s: %w", name, err)
	}
	return nil
}

func signal(pid int, s syscall.Signal) error {
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to %d: %w", s, pid, err)
	}
	return nil
}

// processStat reads state and start time from /proc/PID/stat: zero and empty when there is no such process.
func processStat(pid int) (byte, string) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, ""
	}
	// pid (name) state …: the name may hold anything, so the last parenthesis counts.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const startTime = 19 // field 22 of proc(5)
	if len(fields) <= startTime {
		return 0, ""
	}
	return fields[0][0], string(fields[startTime])
}

func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// shims are the processes that containerd of this lab left behind for its pods; they outlive it.
func (l *Lab) shims() []int {
	return processes(func(argv []string) bool {
		return filepath.Base(argv[0]) == "containerd-shim-runc-v2" && slices.Contains(argv, l.containerd())
	})
}

// processes lists the pids whose command line matches, zombies left out.
func processes(match func(argv []string) bool) []int {
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
	var found []int
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || len(line) == 0 {
			continue
		}
		if match(strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")) {
			found = append(found, pid)
		}
	}
	slices.Sort(found)
	return found
}
