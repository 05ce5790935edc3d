// Package standin builds the Java agent that stands in for the Management API for Apache Cassandra on the lab's nodes.
//
// It is a stand-in, not the Management API: see README.md for what it answers and where it differs. The agent is plain
// Java 17 without dependencies; its sources are embedded here and compiled on the machine that runs the lab.
package standin

import (
	"archive/zip"
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

//go:embed src/*.java stub/*.java
var sources embed.FS

// Classes in the jar that others name.
const (
	// AgentClass is the class whose premain starts the stand-in.
	AgentClass = "casshook.lab.StandInAgent"
	// SeedProviderClass is for seed_provider in cassandra.yaml: seeds by DNS names.
	SeedProviderClass = "casshook.lab.StandInSeedProvider"
)

// Digest identifies the sources; it is the name under which their jar is cached.
func Digest() (string, error) {
	names, err := fs.Glob(sources, "s*/*.java")
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
	files, err := filepath.Glob(filepath.Join(work, "s*", "*.java"))
	if err != nil {
		return "", fmt.Errorf("list stand-in sources: %w", err)
	}
	classes, jar := filepath.Join(work, "classes"), filepath.Join(work, "agent.jar")
	javac := append([]string{"-Xlint:all", "-Werror", "--release", "17", "-d", classes}, files...)
	if err := run(ctx, filepath.Join(bin, "javac"), javac...); err != nil {
		return "", err
	}
	return jar, pack(classes, jar)
}

// ours is where the stand-in's classes are among the compiled ones; those of stub/ stay out of the jar.
const ours = "casshook"

// pack writes a jar with the same bytes for the same classes: no times, and names in order. Java's own jar does neither.
func pack(classes, jar string) error {
	file, err := os.Create(jar)
	if err != nil {
		return fmt.Errorf("create jar of the stand-in: %w", err)
	}
	defer func() { _ = file.Close() }()
	w := zip.NewWriter(file)
	manifest := "Manifest-Version: 1.0\r\nPremain-Class: " + AgentClass + "\r\n\r\n"
	if err := add(w, "META-INF/MANIFEST.MF", []byte(manifest)); err != nil {
		return err
	}
	tree := os.DirFS(classes)
	err = fs.WalkDir(tree, ours, func(name string, entry fs.DirEntry, err error) error { // in lexical order
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		return add(w, name, text)
	})
	if err != nil {
		return fmt.Errorf("pack stand-in: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("pack stand-in: %w", err)
	}
	return file.Close()
}

func add(w *zip.Writer, name string, text []byte) error {
	entry, err := w.Create(name)
	if err != nil {
		return fmt.Errorf("add %s to jar: %w", name, err)
	}
	if _, err := entry.Write(text); err != nil {
		return fmt.Errorf("add %s to jar: %w", name, err)
	}
	return nil
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
