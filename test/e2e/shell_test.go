//go:build kube

package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shell is a directory in which commands run as a person's do, with casshook and kubectl in the PATH.
type shell struct {
	dir string
	env []string
}

func (w *world) shell(t *testing.T, dir string) shell {
	t.Helper()
	path := strings.Join([]string{binaries, filepath.Dir(w.kubectl(t)), os.Getenv("PATH")}, string(os.PathListSeparator))
	return shell{dir, append(os.Environ(), "PATH="+path, "KUBECONFIG="+w.Kubeconfig, "KUBECACHEDIR="+t.TempDir())}
}

// kubectl is the lab's, or that of the PATH.
func (w *world) kubectl(t *testing.T) string {
	t.Helper()
	if w.Lab {
		return filepath.Join(filepath.Dir(w.Kubeconfig), "bin", "kubectl")
	}
	path, err := exec.LookPath("kubectl")
	require.NoError(t, err, "the tests run kubectl, as people do")
	path, err = filepath.Abs(path)
	require.NoError(t, err)
	return path
}

// commandLimit is more than any command waits by itself.
const commandLimit = 15 * time.Minute

// run runs a program of the shell's PATH, or below its directory, to its end.
func (s shell) run(t *testing.T, argv ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandLimit)
	defer cancel()
	// env searches the PATH of the shell, not that of this process.
	cmd := exec.CommandContext(ctx, "env", argv...)
	cmd.Dir, cmd.Env = s.dir, s.env
	cmd.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	err := cmd.Run()
	t.Logf("$ %s\n%s%s(%.1f s)", strings.Join(argv, " "), stdout.String(), stderr.String(), time.Since(began).Seconds())
	var ended *exec.ExitError
	require.True(t, err == nil || errors.As(err, &ended), err)
	permitted(t, stderr.String())
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must wants it to succeed and returns what it printed.
func (s shell) must(t *testing.T, argv ...string) string {
	t.Helper()
	r := s.run(t, argv...)
	require.Zero(t, r.code, "%s: %s", strings.Join(argv, " "), r.stderr)
	return r.stdout
}

// blocks are the fenced blocks of a language below a heading of a Markdown file, up to the next heading.
func blocks(t *testing.T, path, heading, language string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	require.True(t, found, "%s has no heading %q", path, heading)
	section, _, _ = strings.Cut(section, "\n## ")
	var all []string
	for _, m := range fence.FindAllStringSubmatch(section, -1) {
		if m[1] == language {
			all = append(all, m[2])
		}
	}
	require.NotEmpty(t, all, "%s has no %s block below %q", path, language, heading)
	return all
}

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// commands are those of a block, word by word, without comments.
func commands(block string) [][]string {
	var all [][]string
	for line := range strings.Lines(block) {
		line, _, _ = strings.Cut(line, " #")
		if words := strings.Fields(strings.TrimPrefix(line, "$ ")); len(words) > 0 {
			all = append(all, words)
		}
	}
	return all
}
