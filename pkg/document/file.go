package document

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sort"

	"github.com/casshook/casshook/pkg/safefile"
)

// BackupDir is the directory of a backup on a volume.
func BackupDir(volume, id string) string { return filepath.Join(volume, Root, id) }

// SHA256 is the digest that COMPLETE holds of a document.
func SHA256(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// Encode renders a document: indented JSON with a final newline.
func Encode(doc any) ([]byte, error) {
	data, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

// Read reads and strictly decodes the document at path, which may be anybody's.
func Read(files safefile.FS, path string, into any) error {
	content, err := ReadFile(files, path)
	if err != nil {
		return err
	}
	if err := Decode(content, into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// EncodeLines renders rows as JSON lines.
func EncodeLines[T any](rows []T) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	for _, row := range rows {
		if err := enc.Encode(row); err != nil {
			return nil, err
		}
	}
	return buf.Bytes(), nil
}

// DecodeLines reads JSON lines strictly.
func DecodeLines[T any](content []byte) ([]T, error) {
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.DisallowUnknownFields()
	rows := []T{}
	for {
		var row T
		err := dec.Decode(&row)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", len(rows)+1, err)
		}
		rows = append(rows, row)
	}
}

// List names the backups on a volume, oldest first, complete or not.
func List(volume string) ([]string, error) {
	entries, err := safefile.New(volume).ReadDir(filepath.Join(volume, Root))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && ValidID(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	sort.Strings(ids)
	return ids, nil
}
