package cassandra

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

//go:embed pom/*.xml sums/*.sha256
var pinned embed.FS

// marker is written next to the jars once all of them were hashed. It holds the digest file they were checked against and
// their sizes, so that a warm start only lists the directory.
const marker = "verified"

// Versions are the releases the lab can run, newest first. Each has a pom in pom/ and the digests of its jars in sums/.
func Versions() []string { return []string{"5.0.9", "4.1.10", "4.0.19"} }

// CacheDir is where jars and the compiled stand-in are kept between runs: casshook/lab in the user's cache directory.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache directory: %w", err)
	}
	return filepath.Join(dir, "casshook", "lab"), nil
}

// Fetch returns the directory with the jars of a pinned version, from the cache or else from the Maven repositories that
// mvn is configured for. Every jar is checked against the digests in sums/. Several processes may call it at once.
func Fetch(ctx context.Context, version string) (string, error) {
	if !slices.Contains(Versions(), version) {
		return "", fmt.Errorf("fetch cassandra %s: not pinned, there are %s", version, strings.Join(Versions(), ", "))
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	base := filepath.Join(cache, "cassandra")
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", fmt.Errorf("create jar cache: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(base, version+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	text, err := pinned.ReadFile("sums/" + version + ".sha256")
	if err != nil {
		return "", fmt.Errorf("read digests of %s: %w", version, err)
	}
	sums, err := parseSums(string(text))
	if err != nil {
		return "", fmt.Errorf("digests of %s: %w", version, err)
	}
	dir := filepath.Join(base, version)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := download(ctx, version, dir); err != nil {
			return "", fmt.Errorf("fetch cassandra %s: %w", version, err)
		}
	}
	if err := check(dir, sums); err != nil {
		return "", fmt.Errorf("cassandra %s in %s: %w", version, dir, err)
	}
	return filepath.Join(dir, "lib"), nil
}

// check trusts sizes when the marker says that these digests were verified before, and hashes all jars when not.
func check(dir string, sums map[string]string) error {
	lib := filepath.Join(dir, "lib")
	want, err := fingerprint(lib, sums)
	if err != nil {
		return err
	}
	if have, err := os.ReadFile(filepath.Join(dir, marker)); err == nil && string(have) == want {
		return nil
	}
	if err := verify(lib, sums); err != nil {
		return err
	}
	temp := filepath.Join(dir, marker+".tmp")
	if err := os.WriteFile(temp, []byte(want), 0o644); err != nil {
		return fmt.Errorf("write marker: %w", err)
	}
	return os.Rename(temp, filepath.Join(dir, marker))
}

// download lets mvn copy the version's jars next to dir and renames the result, so that dir is complete or absent.
func download(ctx context.Context, version, dir string) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return errors.New("mvn is not on PATH; install Apache Maven 3.6 or later (Debian: maven)")
	}
	home, err := JavaHome(ctx)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "."+version+"-")
	if err != nil {
		return fmt.Errorf("create download directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	pom, err := pinned.ReadFile("pom/" + version + ".xml")
	if err != nil {
		return fmt.Errorf("read pom: %w", err)
	}
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), pom, 0o644); err != nil {
		return fmt.Errorf("write pom: %w", err)
	}
	cmd := exec.CommandContext(ctx, mvn, "-q", "-B", "dependency:copy-dependencies",
		"-DoutputDirectory="+filepath.Join(work, "lib"), "-DincludeScope=runtime")
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "JAVA_HOME="+home)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w\n%s", strings.Join(cmd.Args, " "), err, tail(string(out), 40))
	}
	if err := os.Chmod(work, 0o755); err != nil {
		return fmt.Errorf("open up download: %w", err)
	}
	if err := os.Rename(work, dir); err != nil {
		return fmt.Errorf("place jars: %w", err)
	}
	return nil
}

// lock takes an exclusive flock, which the kernel drops with the process.
func lock(ctx context.Context, path string) (func(), error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = file.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, fmt.Errorf("wait for %s: %w", path, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// tail returns the last n lines of a text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
