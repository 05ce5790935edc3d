package sstable

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/casshook/casshook/pkg/safefile"
)

// MaxText is more than a small text of an SSTable holds in bytes: its digest, its
// table of contents.
const MaxText = 64 << 10

// maxManifest is more than the longest list of SSTables of one table, in bytes.
const maxManifest = 64 << 20

// Manifest is the part of a snapshot's manifest.json that all versions share.
type Manifest struct {
	// Files are the Data.db names, those of legacy indexes with their
	// directory: ".idx_name/nb-1-big-Data.db".
	Files []string `json:"files"`
}

// ReadManifest reads the manifest of a table's snapshot directory.
func ReadManifest(d *safefile.Dir) (Manifest, error) {
	var m Manifest
	data, err := d.Read(ManifestFile, maxManifest)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("read %s: %w", filepath.Join(d.Path(), ManifestFile), err)
	}
	return m, nil
}

// Group collects the files of a directory by SSTable: base name to components,
// sorted. Files of no SSTable are left out.
func Group(files []string) map[string][]string {
	groups := map[string][]string{}
	for _, f := range files {
		if n, ok := ParseName(f); ok {
			groups[n.Base()] = append(groups[n.Base()], n.Component)
		}
	}
	for _, components := range groups {
		sort.Strings(components)
	}
	return groups
}

// CheckComponents says what an SSTable lacks to be opened: its data, its
// statistics (which hold the serialization header) and its primary index.
func CheckComponents(components []string) error {
	have := map[string]bool{}
	for _, c := range components {
		have[c] = true
	}
	var missing []string
	for _, c := range []string{Data, Statistics} {
		if !have[c] {
			missing = append(missing, c)
		}
	}
	if !have[primaryBig] && !have[primaryBTI] {
		missing = append(missing, primaryBig+" or "+primaryBTI)
	}
	if len(missing) > 0 {
		return fmt.Errorf("lacks %s", strings.Join(missing, ", "))
	}
	return nil
}

// DataLast orders components so that Data.db comes last: an SSTable without it
// is none to Cassandra, which removes such orphans at start.
func DataLast(components []string) []string {
	ordered := make([]string, 0, len(components))
	for _, c := range components {
		if c != Data {
			ordered = append(ordered, c)
		}
	}
	if len(ordered) < len(components) {
		ordered = append(ordered, Data)
	}
	return ordered
}

// ErrDigest is a Data.db whose bytes do not match its Digest.crc32.
var ErrDigest = errors.New("checksum of Data.db differs from Digest.crc32")

// VerifyDigest reads the whole Data.db of an SSTable and compares its CRC-32
// with the digest file, which holds it as a decimal number.
func VerifyDigest(d *safefile.Dir, base string) error {
	text, err := d.Read(FileOf(base, Digest), MaxText)
	if err != nil {
		return err
	}
	want, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return fmt.Errorf("read %s: %w", filepath.Join(d.Path(), FileOf(base, Digest)), err)
	}
	got, err := CRC32(d, FileOf(base, Data))
	if err != nil {
		return err
	}
	if uint32(want) != got {
		return fmt.Errorf("%s: %w (%d, is %d)", filepath.Join(d.Path(), FileOf(base, Data)), ErrDigest, want, got)
	}
	return nil
}

// CRC32 is the IEEE CRC-32 of a file's bytes.
func CRC32(d *safefile.Dir, name string) (uint32, error) {
	f, err := d.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	h := crc32.NewIEEE()
	if _, err := io.Copy(h, f); err != nil {
		return 0, fmt.Errorf("read %s: %w", filepath.Join(d.Path(), name), err)
	}
	return h.Sum32(), nil
}

// Reader says what a Cassandra node can read and write, from its settings.
type Reader struct {
	// Major and Minor are of the node's release version.
	Major, Minor int
	// Compatibility is storage_compatibility_mode (5.0): CASSANDRA_4,
	// UPGRADING or NONE; empty before 5.0.
	Compatibility string
}

// Readable says why the node cannot read SSTables of a version, or nil. A node
// silently skips what it cannot read, so this must be asked before a load.
// Source: BigFormat and BtiFormat, isCompatible, of 4.0, 4.1 and 5.0.
func (r Reader) Readable(version, format string) error {
	refuse := func(why string) error {
		return fmt.Errorf("SSTable version %s (%s) %s", version, format, why)
	}
	switch {
	case format != "bti" && format != "big":
		return refuse("is of an unknown format")
	case format == "bti" && version < "da":
		return refuse("is of another product")
	case format == "big" && version < "ma":
		return refuse("is older than Cassandra 3.0")
	case format == "big" && version < "oa":
		return nil
	case r.Major < 5:
		return refuse("needs Cassandra 5.0")
	case r.Compatibility == "CASSANDRA_4":
		return refuse("is not read with storage_compatibility_mode CASSANDRA_4")
	}
	return nil
}
