package document

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/casshook/casshook/pkg/safefile"
)

// Largest documents in bytes. They are read in the memory of Cassandra's container, and
// those that are the same everywhere travel in one line (wire.MaxLine).
const (
	maxNode   = 256 << 20
	maxShared = 16 << 20
	// perFile is what node.json needs for one file of the snapshot or directory of a
	// table: a name of up to 255 bytes, a size and a checksum. It may only be larger than
	// other documents as far as the files that it describes are there.
	perFile = 512
)

// A document must not take many times its size when it is decoded: a member that is all
// missing fields has 4 bytes in JSON, and 150 in memory. What casshook writes is indented
// and has more than 16 bytes a value; rows have more than 8.
const (
	freeValues    = 256 << 10
	bytesPerValue = 16
	bytesInRows   = 8
)

// checkValues refuses JSON with more values than its size explains.
func checkValues(path string, content []byte) error {
	each := bytesPerValue
	if filepath.Ext(path) == ".jsonl" {
		each = bytesInRows
	}
	if n := countValues(content); n > freeValues+len(content)/each {
		return fmt.Errorf("%s: %d values in %d bytes: casshook writes no such document", path, n, len(content))
	}
	return nil
}

// countValues counts what begins or separates values, outside of strings.
func countValues(content []byte) int {
	n, text := 0, false
	for i := 0; i < len(content); i++ {
		switch c := content[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case !text && (c == ',' || c == '{' || c == '['):
			n++
		}
	}
	return n
}

// ReadFile reads a file of casshook's, which must be a regular one of a size that
// casshook writes. Documents of a node are read by ReadNode.
func ReadFile(files safefile.FS, path string) ([]byte, error) {
	return readFile(files, path, maxShared)
}

func readFile(files safefile.FS, path string, limit int64) ([]byte, error) {
	content, err := files.Read(path, limit)
	if err != nil {
		return nil, err
	}
	return content, checkValues(path, content)
}

// readNode reads node.json, which may be as large as the files of the snapshot explain.
func readNode(files safefile.FS, path string, dataDirs []string) ([]byte, error) {
	content, err := ReadFile(files, path)
	var size *safefile.SizeError
	if !errors.As(err, &size) {
		return content, err
	}
	n, err := countFiles(dataDirs, filepath.Base(filepath.Dir(path)))
	if err != nil {
		return nil, err
	}
	content, err = readFile(files, path, min(maxNode, maxShared+int64(n)*perFile))
	if errors.As(err, &size) {
		err = fmt.Errorf("%s: larger than the %d files and directories of the snapshot explain; were some removed?", path, n)
	}
	return content, err
}

// countFiles counts the files and directories of a snapshot tag.
func countFiles(dataDirs []string, tag string) (int, error) {
	n := 0
	for _, dataDir := range dataDirs {
		dirs, err := SnapshotDirs(dataDir, tag)
		for ; err == nil && len(dirs) > 0; dirs = dirs[1:] {
			var more []string
			more, err = countIn(dataDir, dirs[0], &n)
			dirs = append(dirs, more...)
		}
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}

// countIn adds a directory and what is in it to n, and gives the directories of legacy
// indexes there.
func countIn(dataDir, dir string, n *int) ([]string, error) {
	entries, err := safefile.New(dataDir).ReadDir(dir)
	*n += 1 + len(entries)
	var dirs []string
	for _, e := range entries {
		if e.IsDir() {
			dirs = append(dirs, filepath.Join(dir, e.Name()))
		}
	}
	return dirs, err
}

// WriteFile writes a file that is either all there or not at all. One that could not be
// read again is not written.
func WriteFile(files safefile.FS, path string, content []byte) error {
	limit := int64(maxShared)
	if filepath.Base(path) == NodeFile {
		limit = maxNode
	}
	if int64(len(content)) > limit {
		return &safefile.SizeError{Path: path, Limit: limit}
	}
	if err := checkValues(path, content); err != nil {
		return err
	}
	return files.Write(path, content)
}
