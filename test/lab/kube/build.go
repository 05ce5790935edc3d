package kube

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// kubernetesVersion is that of modules/kubernetes/go.mod; the programs say it of themselves only when the linker tells them.
const kubernetesVersion = "v1.34.4"

// build is one or more programs made from one module.
type build struct {
	// module is a directory below modules/; that of the tests when empty.
	module   string
	packages []string
	ldflags  string
	// sources are directories of our own code, whose content counts as well as go.mod.
	sources []string
}

func builds() []build {
	version := fmt.Sprintf("-X k8s.io/component-base/version.gitVersion=%[1]s -X k8s.io/component-base/version.gitMajor=1 "+
		"-X k8s.io/component-base/version.gitMinor=%[2]s -X k8s.io/component-base/version.gitTreeState=clean -X k8s.io/client-go/pkg/version.gitVersion=%[1]s",
		kubernetesVersion, strings.Split(kubernetesVersion, ".")[1])
	var programs []string
	for _, name := range []string{"kube-apiserver", "kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubectl"} {
		programs = append(programs, "k8s.io/kubernetes/cmd/"+name)
	}
	const snapshotter = "github.com/kubernetes-csi/external-snapshotter/v8/cmd/"
	return []build{
		{module: "kubernetes", packages: programs, ldflags: version},
		{module: "etcd", packages: []string{"go.etcd.io/etcd/server/v3"}},
		{module: "coredns", packages: []string{"github.com/coredns/coredns"}},
		{module: "snapshotter", packages: []string{snapshotter + "snapshot-controller", snapshotter + "csi-snapshotter"}},
		{module: "csi", packages: []string{"."}, sources: []string{"."}},
		{packages: []string{"./lab/operator-standin/cmd/operator-standin"}, sources: []string{"lab/operator-standin"}},
		{packages: []string{"./lab/kube/modules/pause"}, sources: []string{"lab/kube/modules/pause"}},
	}
}

// program is the file that go build makes of a package.
func (b build) program(pkg string) string {
	switch {
	case pkg == ".":
		return b.module
	case strings.HasSuffix(pkg, "etcd/server/v3"):
		return "etcd"
	default:
		return filepath.Base(pkg)
	}
}

// programs builds what is not there or was made from something else. The compiler's own cache makes the difference between
// minutes and seconds; the keys between seconds and nothing.
func (l *Lab) programs(ctx context.Context) error {
	if err := os.MkdirAll(l.path("bin", nil), 0o755); err != nil {
		return fmt.Errorf("create program directory: %w", err)
	}
	for _, b := range builds() {
		key, err := l.buildKey(b)
		if err != nil {
			return err
		}
		for _, pkg := range b.packages {
			if err := l.program(ctx, b, pkg, key); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Lab) program(ctx context.Context, b build, pkg, key string) error {
	target := l.Program(b.program(pkg))
	if old, err := os.ReadFile(target + ".key"); err == nil && string(old) == key && exists(target) {
		return nil
	}
	began := time.Now()
	l.Log("build %s", filepath.Base(target))
	argv := []string{"go", "build", "-trimpath", "-ldflags", strings.TrimSpace("-s -w " + b.ldflags), "-o", target + ".next", pkg}
	if _, err := callIn(ctx, l.moduleDir(b), []string{"CGO_ENABLED=0"}, argv...); err != nil {
		return fmt.Errorf("build %s: %w", filepath.Base(target), err)
	}
	// Renamed, not written: the program may be running.
	if err := os.Rename(target+".next", target); err != nil {
		return fmt.Errorf("build %s: %w", filepath.Base(target), err)
	}
	l.Log("built %s in %.0f s", filepath.Base(target), time.Since(began).Seconds())
	return put(target+".key", []byte(key), 0o644)
}

func (l *Lab) moduleDir(b build) string {
	if b.module == "" {
		return filepath.Join(l.Source, "test")
	}
	return l.module(b.module)
}

// buildKey identifies the inputs of a build.
func (l *Lab) buildKey(b build) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), b.ldflags)
	files := []string{"go.mod", "go.sum"}
	for _, dir := range b.sources {
		err := fs.WalkDir(os.DirFS(l.moduleDir(b)), dir, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && !strings.HasSuffix(path, "_test.go") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return "", fmt.Errorf("list sources of %v: %w", b.packages, err)
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(l.moduleDir(b), file))
		if err != nil && !(errors.Is(err, fs.ErrNotExist) && file == "go.sum") {
			return "", fmt.Errorf("read sources of %v: %w", b.packages, err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", file, len(text), text)
	}
	return fmt.Sprintf("%x\n", sum.Sum(nil)), nil
}

// debianPackages are installed where their program is missing.
func debianPackages() map[string]string {
	return map[string]string{
		"containerd": "containerd", "/usr/sbin/runc": "runc", "/usr/lib/cni/bridge": "containernetworking-plugins", "iptables": "iptables",
		"conntrack": "conntrack", "mkfs.btrfs": "btrfs-progs", "/bin/busybox": "busybox-static", "ip": "iproute2", "nsenter": "util-linux",
		"losetup": "mount", "sysctl": "procps", "ethtool": "ethtool", "socat": "socat",
	}
}
