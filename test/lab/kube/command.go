package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// call runs a command and returns what it printed; the error has the end of its stderr.
func call(ctx context.Context, argv ...string) (string, error) {
	return callIn(ctx, "", nil, argv...)
}

// callIn runs a command in a directory with more variables.
func callIn(ctx context.Context, dir string, env []string, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, lastLines(stderr.String(), 12))
	}
	return stdout.String(), nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// inNamespace runs a command in the lab's network namespace.
func (l *Lab) inNamespace(ctx context.Context, argv ...string) (string, error) {
	return call(ctx, append([]string{"nsenter", "--net=" + l.namespaceFile(), "--"}, argv...)...)
}

// Kubectl runs the lab's kubectl as administrator.
func (l *Lab) Kubectl(ctx context.Context, args ...string) (string, error) {
	return call(ctx, append([]string{l.Program("kubectl"), "--kubeconfig", l.Kubeconfig()}, args...)...)
}

// ctr runs containerd's client in the namespace that kubelet uses.
func (l *Lab) ctr(ctx context.Context, args ...string) (string, error) {
	return call(ctx, append([]string{"ctr", "--address", l.containerd(), "--namespace", "k8s.io"}, args...)...)
}

// pollEvery is how often waits look again.
const pollEvery = 100 * time.Millisecond

// patience is the limit of every wait: so long that it never tells a slow machine from a working one.
const patience = 5 * time.Minute

// wait asks until there is no error, or for as long as limit says; what is in the error. What ended is not waited for.
func wait(ctx context.Context, limit time.Duration, what string, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		if errors.Is(err, errEnded) {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait %s for %s: %w", limit, what, err)
		case <-time.After(pollEvery):
		}
	}
}

// put writes a file only when its content changes: kube-proxy ends when its configuration is rewritten.
func put(path string, content []byte, mode fs.FileMode) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	next := path + ".next"
	if err := os.WriteFile(next, content, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(next, path)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
