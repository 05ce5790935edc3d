package document

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/casshook/casshook/pkg/safefile"
	"github.com/casshook/casshook/pkg/sstable"
)

// verifySums compares the bytes of a table's files with their checksums: all with full,
// otherwise only those of small files that Cassandra may rewrite, which the scan leaves out.
func verifySums(t Table, at Place, opts VerifyOptions) []error {
	var problems []error
	for i := range t.SSTables {
		s := &t.SSTables[i]
		for _, err := range verifySSTable(&t, s, at, opts) {
			if !errors.Is(err, fs.ErrNotExist) { // that is told already
				problems = append(problems, fmt.Errorf("%s.%s: %w", t.Keyspace, t.Name, err))
			}
		}
	}
	return problems
}

func verifySSTable(t *Table, s *SSTable, at Place, opts VerifyOptions) []error {
	d, err := at.dir(t, s)
	if err != nil {
		return []error{err}
	}
	defer d.Close()
	var problems []error
	for _, c := range s.Components {
		covered, err := verifyComponent(d, s, c, opts.Full)
		if err != nil {
			problems = append(problems, err)
		}
		if !covered && opts.Full && opts.NotCovered != nil {
			opts.NotCovered(t.TableName, sstable.FileOf(s.Base, c.Name))
		}
	}
	return problems
}

// verifyComponent is false for a file that has no checksum, or none any more.
func verifyComponent(d *safefile.Dir, s *SSTable, c Component, full bool) (covered bool, err error) {
	file := sstable.FileOf(s.Base, c.Name)
	switch {
	case c.Seen != nil && (full || c.Seen.Size <= SmallFile):
		return c.Seen.verify(d, c.Name, file)
	case !full, c.CRC32 != nil, sstable.IsSASI(c.Name): // the scan compared small ones
		return true, nil
	case c.Sum != nil:
		sum, err := sumOf(d, c.Name, file)
		if err != nil {
			return true, err
		}
		return true, differs(d, file, *c.Sum == sum.CRC32)
	case c.Name == sstable.Data && s.Digest != "":
		return true, sstable.VerifyDigest(d, s.Base)
	}
	return false, nil
}

// verify is false for a file that was rewritten.
func (s *Seen) verify(d *safefile.Dir, component, file string) (covered bool, err error) {
	sum, err := sumOf(d, component, file)
	if err != nil {
		return true, err
	}
	sameHead, same := sum.Head == s.Head, sum.CRC32 == s.CRC32
	if sum.Size != s.Size || !sameHead && !same {
		return false, nil
	}
	return true, differs(d, file, sameHead && same)
}

func differs(d *safefile.Dir, file string, same bool) error {
	if same {
		return nil
	}
	return fmt.Errorf("%s/%s: checksum mismatch", d.Path(), file)
}
