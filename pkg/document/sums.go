package document

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/casshook/casshook/pkg/safefile"
	"github.com/casshook/casshook/pkg/sstable"
)

// SumsFile, in casshook's directory, remembers the checksums of large files, so that a
// backup reads only those that are new.
const SumsFile = "checksums.json"

// Sums computes checksums of the files of a snapshot that nothing else covers: Cassandra's
// own is of Data.db alone.
type Sums struct {
	Version int    `json:"version"`
	Volume  string `json:"volume"`
	// Files are large files by their path without the snapshot.
	Files map[string]Sum `json:"files"`

	used map[string]Sum
	// Computed are the files that were read, but for small ones.
	Computed int `json:"-"`
}

// Sum is the checksum of a file, and what it was like then.
type Sum struct {
	Inode    uint64 `json:"inode"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"`
	Head     string `json:"head,omitempty"`
	CRC32    uint32 `json:"crc32"`
}

// OpenSums reads what a volume remembers. What cannot be read, or came along with a copy,
// says nothing.
func OpenSums(volume, identity string) *Sums {
	s := &Sums{}
	err := Read(safefile.New(volume), filepath.Join(volume, Root, SumsFile), s)
	if err != nil || s.Volume != identity {
		s.Files = nil
	}
	s.Version, s.Volume, s.used = Version, identity, map[string]Sum{}
	return s
}

// Save remembers what the last Add used. A node with more large files than fit is backed up
// all the same: the next backup reads those that are not remembered.
func (s *Sums) Save(files safefile.FS, volume string) error {
	if len(s.used) == 0 && len(s.Files) == 0 {
		return nil
	}
	s.Files = s.used
	content, err := Encode(s)
	if err != nil {
		return err
	}
	err = WriteFile(files, filepath.Join(volume, Root, SumsFile), content)
	var size *safefile.SizeError
	if errors.As(err, &size) {
		return nil
	}
	return err
}

// Add adds checksums to the components of tables that were scanned. It reports after each
// table.
func (s *Sums) Add(ctx context.Context, tables []Table, at Place, report func(done int)) error {
	for i := range tables {
		for j := range tables[i].SSTables {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			if err := s.addSSTable(&tables[i], &tables[i].SSTables[j], at); err != nil {
				return err
			}
		}
		report(i + 1)
	}
	return nil
}

// Place is where the snapshot of a tag is.
type Place struct {
	DataDirs []string
	Tag      string
}

// dir opens the directory of an SSTable.
func (p Place) dir(t *Table, s *SSTable) (*safefile.Dir, error) {
	if s.Dir < 0 || s.Dir >= len(p.DataDirs) {
		return nil, fmt.Errorf("SSTable %s is in data directory %d of %d", s.Base, s.Dir, len(p.DataDirs))
	}
	dataDir := p.DataDirs[s.Dir]
	return safefile.New(dataDir).Dir(filepath.Join(SnapshotDir(dataDir, t.Keyspace, t.Name, t.ID, p.Tag), s.Index))
}

func (s *Sums) addSSTable(t *Table, sst *SSTable, at Place) error {
	d, err := at.dir(t, sst)
	if err != nil {
		return err
	}
	defer d.Close()
	for i := range sst.Components {
		c := &sst.Components[i]
		if !c.needsSum(sst.Digest) {
			continue
		}
		key := fmt.Sprintf("%d/%s/%s/%s/%s", sst.Dir, t.Keyspace, sstable.TableDir(t.Name, t.ID), sst.Index, sstable.FileOf(sst.Base, c.Name))
		sum, err := s.of(d, c.Name, sstable.FileOf(sst.Base, c.Name), key)
		if err != nil {
			return err
		}
		if sstable.MayChange(c.Name) {
			c.Seen = &Seen{Size: sum.Size, Head: sum.Head, CRC32: sum.CRC32}
		} else {
			c.Sum = &sum.CRC32
		}
	}
	return nil
}

// needsSum tells whether nothing else covers the bytes of a component. No restore brings
// back the files of SASI.
func (c *Component) needsSum(digest string) bool {
	switch {
	case sstable.IsSASI(c.Name):
		return false
	case c.Name == sstable.Data:
		return digest == ""
	}
	return c.CRC32 == nil
}

// of is the sum of a file, from memory if it is large and as it was.
func (s *Sums) of(d *safefile.Dir, component, file, key string) (Sum, error) {
	info, err := d.Lstat(file)
	if err != nil {
		return Sum{}, err
	}
	like := likeness(info)
	known, ok := s.Files[key]
	if ok && known.Inode == like.Inode && known.Size == like.Size && known.Modified == like.Modified {
		s.used[key] = known
		return known, nil
	}
	const tries = 3
	for range tries {
		sum, err := sumOf(d, component, file)
		if err != nil {
			return sum, err
		}
		if info, err = d.Lstat(file); err != nil {
			return sum, err
		}
		if now := likeness(info); now.Size != sum.Size || now.Modified != sum.Modified {
			continue
		}
		if sum.Size > SmallFile {
			s.used[key] = sum
			s.Computed++
		}
		return sum, nil
	}
	return Sum{}, fmt.Errorf("%s changes while it is read", filepath.Join(d.Path(), file))
}

func likeness(info fs.FileInfo) Sum {
	s := Sum{Size: info.Size(), Modified: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.Inode = st.Ino
	}
	return s
}

// headSize is the size of a Bloom filter's number of hashes, which comes first
// (BloomFilterSerializer) and is not in its checksum. A filter that Cassandra wrote anew for
// another bloom_filter_fp_chance has another size, or another number and other bits.
const headSize = 4

// sumOf reads a file. Cassandra may write the lines of TOC.txt in another order.
func sumOf(d *safefile.Dir, component, file string) (Sum, error) {
	f, err := d.Open(file)
	if err != nil {
		return Sum{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Sum{}, err
	}
	sum := likeness(info)
	if component == sstable.TOC && sum.Size <= sstable.MaxText {
		sum.CRC32, err = sumLines(f)
		return sum, err
	}
	if component == sstable.Filter {
		head := make([]byte, headSize)
		n, err := io.ReadFull(f, head)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return sum, err
		}
		sum.Head = hex.EncodeToString(head[:n])
	}
	h := crc32.NewIEEE()
	if _, err = io.Copy(h, f); err != nil {
		return sum, fmt.Errorf("read %s: %w", filepath.Join(d.Path(), file), err)
	}
	sum.CRC32 = h.Sum32()
	return sum, nil
}

func sumLines(f *os.File) (uint32, error) {
	content, err := io.ReadAll(io.LimitReader(f, sstable.MaxText))
	lines := strings.Split(string(content), "\n")
	slices.Sort(lines)
	return crc32.ChecksumIEEE([]byte(strings.Join(lines, "\n"))), err
}
