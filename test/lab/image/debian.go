package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// JavaPackages are what Cassandra and the people who look into its pods need. No Python: cqlsh is not part of the lab.
func JavaPackages() []string {
	return []string{
		"base-files", "libc-bin", "bash", "dash", "coreutils", "grep", "sed", "mawk", "procps", "findutils", "hostname", "tar", "gzip",
		"util-linux", "iproute2", "curl", "ca-certificates", "openjdk-17-jre-headless", "netbase", "less",
	}
}

// CassandraUser runs Cassandra in the images of the lab: uid and gid, as in those that cass-operator uses.
const CassandraUser = 999

var errMissingTool = errors.New("is not on PATH: this needs Debian's apt, dpkg, tar and libc-bin")

// rootVersion is raised when Root makes something else of the same packages.
const rootVersion = "casshook root 1"

// Root returns a directory of the Store with a root file system of Debian: the packages and all that they depend on, in the
// release and from the sources that apt has on this machine. No script of a package is run; the few effects of them that matter
// are made by hand. What was made once for a list of packages stays as it is: remove roots/ in the Store to have newer packages.
//
// It needs apt-get with its lists (apt-get update), dpkg-deb, tar and ldconfig, and the network. No root: owners are a layer's.
func (s *Store) Root(ctx context.Context, packages []string) (string, error) {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", fmt.Errorf("make root file system: %w", err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%q\n", rootVersion, runtime.GOARCH, release, packages))
	target := filepath.Join(s.dir, "roots", hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(target); err == nil {
		s.log.Debug("root file system is there already", "dir", target)
		return target, nil
	}
	began := time.Now()
	work, err := os.MkdirTemp(filepath.Join(s.dir, "roots"), ".new-")
	if err != nil {
		return "", fmt.Errorf("make root file system: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	root := filepath.Join(work, "root")
	if err := s.makeRoot(ctx, work, root, packages); err != nil {
		return "", fmt.Errorf("make root file system of %d packages: %w", len(packages), err)
	}
	if err := os.Rename(root, target); err != nil {
		if _, there := os.Stat(target); there == nil {
			return target, nil // another process was quicker
		}
		return "", fmt.Errorf("make root file system: %w", err)
	}
	s.log.Info("made root file system", "dir", target, "took", took(began))
	return target, nil
}

func (s *Store) makeRoot(ctx context.Context, work, root string, packages []string) error {
	debs, err := s.download(ctx, filepath.Join(work, "debs"), packages)
	if err != nil {
		return err
	}
	if err := skeleton(root); err != nil {
		return err
	}
	s.log.Info("unpacking packages", "count", len(debs))
	for _, deb := range debs {
		if err := unpack(ctx, deb, root); err != nil {
			return err
		}
	}
	return finish(ctx, root)
}

// aptCommand downloads packages with all that they depend on: to apt it looks as if nothing were installed.
func aptCommand(dir string, packages []string) []string {
	options := []string{
		"Dir::State::status=" + filepath.Join(dir, "status"), "Dir::Cache::archives=" + dir,
		"Dir::Cache::pkgcache=", "Dir::Cache::srcpkgcache=", "APT::Sandbox::User=root", "Debug::NoLocking=true",
	}
	argv := []string{"apt-get", "-qq", "-y"}
	for _, o := range options {
		argv = append(argv, "-o", o)
	}
	return append(append(argv, "--no-install-recommends", "--download-only", "install", "--"), packages...)
}

func (s *Store) download(ctx context.Context, dir string, packages []string) ([]string, error) {
	if err := os.MkdirAll(filepath.Join(dir, "partial"), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "status"), nil, 0o644); err != nil {
		return nil, err
	}
	s.log.Info("downloading packages", "asked", len(packages))
	argv := aptCommand(dir, packages)
	if err := run(command(ctx, argv...)); err != nil {
		return nil, fmt.Errorf("%w (if packages are unknown, run apt-get update)", err)
	}
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err == nil && len(debs) == 0 {
		err = fmt.Errorf("%s: it downloaded nothing", strings.Join(argv, " "))
	}
	slices.Sort(debs)
	return debs, err
}

// unpack puts a package's files into the root. tar follows the links from bin to usr/bin and the like that are there already.
func unpack(ctx context.Context, deb, root string) error {
	from := command(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	to := command(ctx, "tar", "-C", root, "--keep-directory-symlink", "--no-same-owner", "-pxf", "-")
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	from.Stdout, to.Stdin = write, read
	unpacked := make(chan error, 1)
	go func() {
		err := run(to)
		_ = read.Close() // so that dpkg-deb ends when tar did
		unpacked <- err
	}()
	err = errors.Join(run(from), write.Close(), <-unpacked)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", filepath.Base(deb), err)
	}
	return nil
}

// command is one with a plain environment. It looks in sbin, too, where ldconfig is.
func command(ctx context.Context, argv ...string) *exec.Cmd {
	file := argv[0]
	if path, err := exec.LookPath(file); err == nil {
		file = path
	} else if path := filepath.Join("/sbin", file); executable(path) {
		file = path
	}
	cmd := exec.CommandContext(ctx, file, argv[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// run runs a command; the error has the end of what it wrote, unless its output goes elsewhere.
func run(cmd *exec.Cmd) error {
	var out strings.Builder
	cmd.Stderr = &out
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return fmt.Errorf("%s %w", cmd.Args[0], errMissingTool)
		}
		text := strings.TrimSpace(out.String())
		return fmt.Errorf("run %s: %w: %s", filepath.Base(cmd.Path), err, text[max(0, len(text)-2000):])
	}
	return nil
}
