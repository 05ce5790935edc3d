package document

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/casshook/casshook/pkg/safefile"
)

// ErrIncomplete is a backup directory without COMPLETE.
var ErrIncomplete = errors.New("the backup is not complete: file COMPLETE is missing")

// Backup is a complete backup as one volume holds it.
type Backup struct {
	Node     Node
	Cluster  Cluster
	Complete Complete
	// Schema and Grants are the bytes of the JSON lines.
	Schema, Grants []byte
}

// Open reads a backup's documents from a volume and checks them against each
// other: versions, fields, one backup id, and the digests in COMPLETE. The data directories
// are those of the node now.
func Open(volume, id string, dataDirs []string) (*Backup, error) {
	dir := BackupDir(volume, id)
	var b Backup
	if err := checkID(id); err != nil {
		return nil, err
	}
	files := safefile.New(volume)
	err := Read(files, filepath.Join(dir, CompleteFile), &b.Complete)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, ErrIncomplete)
	}
	if err != nil {
		return nil, err
	}
	contents := map[string][]byte{}
	for _, name := range Shared() {
		if contents[name], err = ReadFile(files, filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	if contents[NodeFile], err = readNode(files, filepath.Join(dir, NodeFile), dataDirs); err != nil {
		return nil, err
	}
	if err := decodeAll(dir, contents, &b); err != nil {
		return nil, err
	}
	return &b, b.check(dir, contents)
}

// ReadNode reads the node.json of a backup by itself.
func ReadNode(volume, id string, dataDirs []string) (Node, error) {
	var n Node
	path := filepath.Join(BackupDir(volume, id), NodeFile)
	content, err := readNode(safefile.New(volume), path, dataDirs)
	if err != nil {
		return n, err
	}
	if err := Decode(content, &n); err != nil {
		return n, fmt.Errorf("read %s: %w", path, err)
	}
	return n, nil
}

func decodeAll(dir string, contents map[string][]byte, b *Backup) error {
	for name, into := range map[string]any{NodeFile: &b.Node, ClusterFile: &b.Cluster} {
		if err := Decode(contents[name], into); err != nil {
			return fmt.Errorf("read %s: %w", filepath.Join(dir, name), err)
		}
	}
	b.Schema, b.Grants = contents[SchemaFile], contents[GrantsFile]
	return nil
}

func (b *Backup) check(dir string, contents map[string][]byte) error {
	id := filepath.Base(dir)
	for name, got := range map[string]string{CompleteFile: b.Complete.BackupID, NodeFile: b.Node.BackupID, ClusterFile: b.Cluster.BackupID} {
		if got != id {
			return fmt.Errorf("%s: belongs to backup %q", filepath.Join(dir, name), got)
		}
	}
	for _, name := range Shared() {
		if SHA256(contents[name]) != b.Complete.Shared[name] {
			return fmt.Errorf("%s: does not match COMPLETE", filepath.Join(dir, name))
		}
	}
	if SHA256(contents[NodeFile]) != b.Complete.Nodes[b.Node.Member.HostID] {
		return fmt.Errorf("%s: does not match COMPLETE for host %s", filepath.Join(dir, NodeFile), b.Node.Member.HostID)
	}
	return nil
}

// VerifyOptions say how much of the files is read.
type VerifyOptions struct {
	// Full reads every byte and compares it with a checksum.
	Full bool
	// NotCovered is told of each file that Full has no checksum of; may be nil.
	NotCovered func(table TableName, file string)
	// InScope picks the tables; nil means all.
	InScope func(keyspace, table string) bool
	// Progress is told of each table that was verified; may be nil.
	Progress func(done, total int)
}

// VerifyFiles compares the files of the snapshot with node.json: no SSTable
// missing and none more, component sets, sizes, digest files and the checksums
// of small files; with Full of all files. All problems are returned.
func VerifyFiles(n *Node, dataDirs []string, opts VerifyOptions) []string {
	if len(dataDirs) != len(n.DataDirectories) {
		return []string{fmt.Sprintf("the backup has %d data directories, the node has %d", len(n.DataDirectories), len(dataDirs))}
	}
	var problems []string
	for i, t := range n.Tables {
		if opts.InScope == nil || opts.InScope(t.Keyspace, t.Name) {
			for _, err := range verifyTable(t, Place{dataDirs, n.BackupID}, opts) {
				problems = append(problems, err.Error())
			}
		}
		if opts.Progress != nil {
			opts.Progress(i+1, len(n.Tables))
		}
	}
	return problems
}

func verifyTable(want Table, at Place, opts VerifyOptions) []error {
	got := Table{TableName: want.TableName, ID: want.ID}
	present := false
	for i, dataDir := range at.DataDirs {
		dir := SnapshotDir(dataDir, want.Keyspace, want.Name, want.ID, at.Tag)
		err := got.scanPath(i, dataDir, dir)
		if errors.Is(err, fs.ErrNotExist) && !safefile.New(dataDir).IsDir(dir) {
			continue
		}
		if err != nil {
			return []error{err}
		}
		present = true
	}
	if !present {
		return []error{fmt.Errorf("%s.%s: snapshot %s is missing", want.Keyspace, want.Name, at.Tag)}
	}
	return append(compare(want, got), verifySums(want, at, opts)...)
}

// compare lists how the SSTables found differ from those recorded.
func compare(want, got Table) []error {
	type key struct {
		dir         int
		index, base string
	}
	found := map[key]SSTable{}
	for _, s := range got.SSTables {
		found[key{s.Dir, s.Index, s.Base}] = s
	}
	var problems []error
	problem := func(base, format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s.%s: SSTable %s: %s", want.Keyspace, want.Name, base, fmt.Sprintf(format, args...)))
	}
	for _, s := range want.SSTables {
		k := key{s.Dir, s.Index, s.Base}
		g, ok := found[k]
		if !ok {
			problem(s.Base, "is missing")
			continue
		}
		delete(found, k)
		if g.Digest != s.Digest {
			problem(s.Base, "digest is %q, expected %q", g.Digest, s.Digest)
		}
		for _, text := range compareComponents(s.Components, g.Components) {
			problem(s.Base, "%s", text)
		}
	}
	for _, s := range got.SSTables {
		if _, more := found[key{s.Dir, s.Index, s.Base}]; more {
			problem(s.Base, "is not in the backup")
		}
	}
	return problems
}

func compareComponents(want, got []Component) []string {
	found := map[string]Component{}
	for _, c := range got {
		found[c.Name] = c
	}
	var problems []string
	for _, c := range want {
		g, ok := found[c.Name]
		switch {
		case !ok:
			problems = append(problems, c.Name+" is missing")
		case g.Size != c.Size:
			problems = append(problems, fmt.Sprintf("%s has %d bytes, expected %d", c.Name, g.Size, c.Size))
		case c.CRC32 != nil && (g.CRC32 == nil || *g.CRC32 != *c.CRC32):
			problems = append(problems, c.Name+": checksum mismatch")
		}
		delete(found, c.Name)
	}
	for _, c := range got {
		if _, more := found[c.Name]; more {
			problems = append(problems, c.Name+" is not in the backup")
		}
	}
	return problems
}
