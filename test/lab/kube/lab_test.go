package kube

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func newLab(t *testing.T) *Lab {
	t.Helper()
	t.Setenv("CASSHOOK_LAB", t.TempDir())
	l, err := New(filepath.Join("..", "..", ".."), t.Logf)
	require.NoError(t, err)
	return l
}

func TestConfigurationIsComplete(t *testing.T) {
	l := newLab(t)
	require.NoError(t, l.configure())
	for _, file := range []string{"containerd.toml", "kubelet.yaml", "kube-proxy.yaml", "resolv.conf", "cni/10-casshook-lab.conflist", "kubelet.kubeconfig"} {
		text, err := os.ReadFile(l.etc(file))
		require.NoError(t, err)
		require.NotContains(t, string(text), "<no value>", file)
		require.NotContains(t, string(text), "{{", file)
	}
	for _, private := range []string{l.Kubeconfig(), l.key("ca"), l.key("service-account"), l.etc("kubelet.kubeconfig")} {
		info, err := os.Stat(private)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), private)
	}
}

// A process that is killed the moment before Up still counts as alive when Up looks, and is gone a moment later.
func TestUpStartsAgainWhatEndsMeanwhile(t *testing.T) {
	l := newLab(t)
	for _, name := range l.names() {
		lives(t, l, name, os.Getpid())
	}
	looks := 0
	err := l.passes(t.Context(), []step{{"etcd", func(ctx context.Context) error {
		looks++
		if looks > 1 {
			lives(t, l, "etcd", os.Getpid())
			return nil
		}
		require.NoError(t, os.Remove(l.recordFile("etcd")))
		return wait(ctx, time.Hour, "etcd to answer", func(context.Context) error { return l.hint("etcd", errors.New("refused")) })
	}}})
	require.NoError(t, err)
	require.Equal(t, 2, looks, "what ended is not waited for")

	require.NoError(t, os.Remove(l.recordFile("kube-scheduler")))
	err = l.passes(t.Context(), []step{{"nothing", func(context.Context) error { return nil }}})
	require.ErrorContains(t, err, "kube-scheduler ended, see ")
}

// lives writes a unit's record as if pid were its process.
func lives(t *testing.T, l *Lab, name string, pid int) {
	t.Helper()
	_, start := processStat(pid)
	text, err := json.Marshal(record{PID: pid, Start: start, Boot: bootID()})
	require.NoError(t, err)
	require.NoError(t, put(l.recordFile(name), text, 0o644))
}

func TestConfigurationIsWrittenOnlyWhenItChanges(t *testing.T) {
	l := newLab(t)
	require.NoError(t, l.configure())
	before := stamps(t, l.Root)
	require.NoError(t, l.configure())
	require.Equal(t, before, stamps(t, l.Root))
	require.NoError(t, os.WriteFile(l.etc("kube-proxy.yaml"), []byte("other"), 0o644))
	require.NoError(t, l.configure())
	text, err := os.ReadFile(l.etc("kube-proxy.yaml"))
	require.NoError(t, err)
	require.Contains(t, string(text), "KubeProxyConfiguration")
}

// stamps maps files to inode and time of change: a file that was written again, even with the same bytes, has others.
func stamps(t *testing.T, root string) map[string]string {
	t.Helper()
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		found[path] = info.ModTime().String()
		return nil
	}))
	require.NotEmpty(t, found)
	return found
}

func TestMissingPackages(t *testing.T) {
	t.Parallel()
	require.Empty(t, missingPackages(func(string) bool { return true }))
	require.Equal(t, []string{"containerd", "iptables"}, missingPackages(func(p string) bool { return p != "iptables" && p != "containerd" }))
}

// TestProcessesAreKnownByTheirStart uses this very process: its record is alive, one with another start time is another process.
func TestProcessesAreKnownByTheirStart(t *testing.T) {
	l := newLab(t)
	_, start := processStat(os.Getpid())
	write := func(text string) {
		require.NoError(t, put(l.recordFile("it"), []byte(text), 0o644))
	}
	require.False(t, l.alive("it"), "no record")
	write(`{"pid":` + itoa(os.Getpid()) + `,"start":"` + start + `","boot":"` + bootID() + `"}`)
	require.True(t, l.alive("it"))
	require.Equal(t, []string{"it"}, l.units())
	write(`{"pid":` + itoa(os.Getpid()) + `,"start":"1","boot":"` + bootID() + `"}`)
	require.False(t, l.alive("it"), "a later process with its pid")
	write(`{"pid":` + itoa(os.Getpid()) + `,"start":"` + start + `","boot":"another"}`)
	require.False(t, l.alive("it"), "another boot")
	write(`nonsense`)
	require.False(t, l.alive("it"))
	require.NoError(t, l.stop(t.Context(), "it", time.Second))
	require.NoFileExists(t, l.recordFile("it"))
	require.NoError(t, syscall.Kill(os.Getpid(), 0), "nothing of another was touched")
}

func TestOursPicksOnlyTheLabsLines(t *testing.T) {
	l := newLab(t)
	text := "10.0.0.0/8 via 1.2.3.4 dev eth0\n" + podCIDR + " via " + NodeIP + " dev x\nlink " + hostLink + " up\n/dev/loop9 " + l.Root + "/state/var/csi/pool.img\n"
	require.Len(t, l.ours(text), 3)
	require.Empty(t, l.ours("10.240.0.1 dev lo\n/dev/loop1 /somewhere/pool.img\n"))
}

func TestTwoRunsAreKeptApart(t *testing.T) {
	l := newLab(t)
	unlock, err := l.lock()
	require.NoError(t, err)
	_, err = l.lock()
	require.ErrorContains(t, err, "another run works on the lab")
	unlock()
	unlock, err = l.lock()
	require.NoError(t, err)
	unlock()
}

func TestBuildKeyFollowsSources(t *testing.T) {
	l := newLab(t)
	l.Source = t.TempDir()
	dir := l.module("csi")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	write("go.mod", "module x\n")
	b := build{module: "csi", packages: []string{"."}, sources: []string{"."}}
	key := func() string {
		k, err := l.buildKey(b)
		require.NoError(t, err)
		return k
	}
	first := key()
	require.Equal(t, first, key())
	write("main_test.go", "package main\n")
	require.Equal(t, first, key(), "tests are not built")
	write("main.go", "package main\n")
	second := key()
	require.NotEqual(t, first, second)
	write("go.mod", "module y\n")
	require.NotEqual(t, second, key())
}

func itoa(n int) string { return strconv.Itoa(n) }
