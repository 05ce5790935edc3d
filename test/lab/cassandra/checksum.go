package cassandra

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// parseSums reads the format of sha256sum: 64 hex digits, two spaces, a file name. It returns digests by name.
func parseSums(text string) (map[string]string, error) {
	sums := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		digest, name, ok := strings.Cut(line, "  ")
		if _, err := hex.DecodeString(digest); !ok || err != nil || len(digest) != 2*sha256.Size || name == "" {
			return nil, fmt.Errorf("parse %q: not a line of sha256sum", line)
		}
		if _, twice := sums[name]; twice {
			return nil, fmt.Errorf("parse digests: %s stands there twice", name)
		}
		sums[name] = digest
	}
	return sums, nil
}

// verify compares a directory with its digests and names every jar that is missing, extra or different.
func verify(dir string, sums map[string]string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list jars: %w", err)
	}
	missing := maps.Clone(sums)
	var problems []error
	for _, entry := range entries {
		name := entry.Name()
		want, known := sums[name]
		if !known {
			problems = append(problems, fmt.Errorf("%s: extra, not in the pinned list", name))
			continue
		}
		delete(missing, name)
		have, err := digest(filepath.Join(dir, name))
		if err != nil {
			problems = append(problems, err)
		} else if have != want {
			problems = append(problems, fmt.Errorf("%s: different, sha256 %s, pinned %s", name, have, want))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		problems = append(problems, fmt.Errorf("%s: missing", name))
	}
	return errors.Join(problems...)
}

// fingerprint names the pinned digests and the sizes of the files that are there, without reading them.
func fingerprint(dir string, sums map[string]string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("list jars: %w", err)
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(&text, "%s  %s\n", sums[name], name)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return "", fmt.Errorf("stat %s: %w", entry.Name(), err)
		}
		fmt.Fprintf(&text, "%d %s\n", info.Size(), entry.Name())
	}
	return text.String(), nil
}

func digest(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("open jar: %w", err)
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
