package generate

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Write writes files below a directory. It overwrites what it made itself, and
// refuses, before it writes anything, where something else is in the way.
func Write(dir string, files []File) error {
	var inTheWay []error
	for _, f := range files {
		have, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(f.Path)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			inTheWay = append(inTheWay, fmt.Errorf("write %s: %w", f.Path, err))
		case !generated(have):
			inTheWay = append(inTheWay, fmt.Errorf("write %s: a file that was not generated exists: move it, or use another directory", f.Path))
		}
	}
	if len(inTheWay) > 0 {
		return errors.Join(inTheWay...)
	}
	for _, f := range files {
		if err := f.write(dir); err != nil {
			return fmt.Errorf("write %s: %w", f.Path, err)
		}
	}
	return nil
}

func (f *File) mode() fs.FileMode {
	if f.Executable {
		return 0o755
	}
	return 0o644
}

func (f *File) write(dir string) error {
	path := filepath.Join(dir, filepath.FromSlash(f.Path))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, f.Content, f.mode()); err != nil {
		return err
	}
	return os.Chmod(path, f.mode()) // the file may have been there
}

// generated tells whether a file's head has the mark.
func generated(content []byte) bool {
	head := bytes.SplitN(content, []byte("\n"), 3)
	return slices.ContainsFunc(head[:min(len(head), 2)], func(line []byte) bool { return bytes.Contains(line, []byte(mark+`"casshook generate`)) })
}

// Compare is what would have to change below a directory, as a unified diff from
// what is there to what should be; "" when nothing. When the files are a whole tree,
// generated files that are no longer part of it are differences, too.
func Compare(dir string, files []File, whole bool) (string, error) {
	var out strings.Builder
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		have, err := os.ReadFile(path)
		from := "a/" + f.Path
		if errors.Is(err, fs.ErrNotExist) {
			from, err = os.DevNull, nil
		}
		if err != nil {
			return "", fmt.Errorf("compare %s: %w", f.Path, err)
		}
		diff, err := unifiedDiff(from, "b/"+f.Path, string(have), string(f.Content))
		if err != nil {
			return "", fmt.Errorf("compare %s: %w", f.Path, err)
		}
		out.WriteString(diff)
		if info, err := os.Stat(path); err == nil && f.Executable && info.Mode()&0o111 == 0 {
			fmt.Fprintf(&out, "%s: is not executable\n", f.Path)
		}
	}
	if whole {
		if err := compareRest(&out, dir, files); err != nil {
			return "", err
		}
	}
	return out.String(), nil
}

// compareRest finds generated files that are no longer made.
func compareRest(out *strings.Builder, dir string, files []File) error {
	made := map[string]bool{}
	tops := map[string]bool{}
	for _, f := range files {
		made[f.Path] = true
		top, _, _ := strings.Cut(f.Path, "/")
		tops[top] = true
	}
	for _, top := range slices.Sorted(maps.Keys(tops)) {
		err := filepath.WalkDir(filepath.Join(dir, top), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			rel, err := filepath.Rel(dir, path)
			if err != nil || made[filepath.ToSlash(rel)] {
				return err
			}
			have, err := os.ReadFile(path)
			if err != nil || !generated(have) {
				return err
			}
			diff, err := unifiedDiff("a/"+filepath.ToSlash(rel), os.DevNull, string(have), "")
			out.WriteString(diff)
			return err
		})
		if err != nil {
			return fmt.Errorf("compare %s: %w", top, err)
		}
	}
	return nil
}
