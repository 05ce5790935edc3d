package document

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/casshook/casshook/pkg/sstable"
)

var (
	// Names of keyspaces and tables are words, and so are the directories.
	word    = regexp.MustCompile(`^\w+$`)
	tableID = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// check refuses names that are none, since paths are made of them: what is read,
// linked or removed must stay in its directory whatever a document says.
func (n *Node) check() error {
	for _, t := range n.Tables {
		if !word.MatchString(t.Keyspace) || !word.MatchString(t.Name) || !tableID.MatchString(t.ID) {
			return fmt.Errorf("table %q.%q with id %q: not a table name", t.Keyspace, t.Name, t.ID)
		}
		for _, s := range t.SSTables {
			if err := s.check(len(n.DataDirectories)); err != nil {
				return fmt.Errorf("%s.%s: SSTable %q: %w", t.Keyspace, t.Name, s.Base, err)
			}
		}
	}
	return nil
}

func (s SSTable) check(directories int) error {
	name, ok := sstable.ParseName(sstable.FileOf(s.Base, sstable.Data))
	switch {
	case !ok || name.Base() != s.Base:
		return fmt.Errorf("not an SSTable name")
	case s.Dir < 0 || s.Dir >= directories:
		return fmt.Errorf("is in data directory %d of %d", s.Dir, directories)
	case s.Index != "" && (!strings.HasPrefix(s.Index, ".") || leaves(s.Index)):
		return fmt.Errorf("index %q: not an index directory", s.Index)
	}
	for _, c := range s.Components {
		if c.Name == "" || leaves(c.Name) {
			return fmt.Errorf("component %q: not a component name", c.Name)
		}
	}
	return nil
}

// leaves tells a name that leads out of its directory, or is the directory.
func leaves(name string) bool {
	return name == "." || name == ".." || strings.ContainsAny(name, "/\x00")
}
