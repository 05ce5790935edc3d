// Package standin builds the Java agent that stands in for the Management API for Apache Cassandra on the lab's nodes.
//
// It is a stand-in, not the Management API: see README.md for what it answers and where it differs. The agent is plain
// Java 17 without dependencies; its sources are embedded here and compiled on the machine that runs the lab.
package standin

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed src/*.java
var sources embed.FS

// AgentClass is the class whose premain starts the stand-in.
const AgentClass = "casshook.lab.StandInAgent"

// Digest identifies the sources; it is the name under which their jar is cached.
func Digest() (string, error) {
	names, err := fs.Glob(sources, "src/*.java")
	if err != nil {
		return "", fmt.Errorf("list stand-in sources: %w", err)
	}
	sum := sha256.New()
	for _, name := range names {
		text, err := sources.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("read %s: %w", name, err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
	}
	return fmt.Sprintf("%x", sum.Sum(nil))[:16], nil
}

// Build returns the path of the agent's jar in cacheDir, compiling it with the JDK at javaHome when these sources were not
// compiled before. Concurrent calls are safe: each compiles in a directory of its own and the last rename wins.
func Build(ctx context.Context, javaHome, cacheDir string) (string, error) {
	digest, err := Digest()
	if err != nil {
		return "", err
	}
	jar := filepath.Join(cacheDir, digest+".jar")
	if _, err := os.Stat(jar); err == nil {
		return jar, nil
	}
	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		return "", fmt.Errorf("create cache of the stand-in: %w", err)
	}
	work, err := os.MkdirTemp(cacheDir, "build-")
	if err != nil {
		return "", fmt.Errorf("create build directory of the stand-in: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	built, err := compile(ctx, filepath.Join(javaHome, "bin"), work)
	if err != nil {
		return "", err
	}
	if err := os.Rename(built, jar); err != nil {
		return "", fmt.Errorf("place stand-in: %w", err)
	}
	return jar, nil
}

func compile(ctx context.Context, bin, work string) (string, error) {
	if err := os.CopyFS(work, sources); err != nil {
		return "", fmt.Errorf("write stand-in sources: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(work, "src", "*.java"))
	if err != nil {
		return "", fmt.Errorf("list stand-in sources: %w", err)
	}
	manifest := filepath.Join(work, "manifest.txt")
	if err := os.WriteFile(manifest, []byte("Premain-Class: "+AgentClass+"\n"), 0o644); err != nil {
		return "", fmt.Errorf("write manifest of the stand-in: %w", err)
	}
	classes, jar := filepath.Join(work, "classes"), filepath.Join(work, "agent.jar")
	javac := append([]string{"-Xlint:all", "-Werror", "--release", "17", "-d", classes}, files...)
	if err := run(ctx, filepath.Join(bin, "javac"), javac...); err != nil {
		return "", err
	}
	return jar, run(ctx, filepath.Join(bin, "jar"), "--create", "--file", jar, "--manifest", manifest, "-C", classes, ".")
}

func run(ctx context.Context, tool string, args ...string) error {
	out, err := exec.CommandContext(ctx, tool, args...).CombinedOutput()
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("run %s: not there; install a JDK 17, not only its runtime (Debian: openjdk-17-jdk-headless)", tool)
	}
	if err != nil {
		return fmt.Errorf("run %s: %w\n%s", tool, err, out)
	}
	return nil
}
