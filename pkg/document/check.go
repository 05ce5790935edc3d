package document

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/casshook/casshook/pkg/sstable"
)

var (
	// Names of keyspaces and tables are words, and so are the directories; the longest
	// is what a directory leaves room for (SchemaConstants.FILENAME_LENGTH).
	word    = regexp.MustCompile(`^\w{1,222}$`)
	tableID = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// Check refuses names that are none, since paths are made of them: what is read,
// linked or removed must stay in its directory whatever a document says.
func (n *Node) Check() error {
	if err := checkID(n.BackupID); err != nil {
		return err
	}
	for _, t := range n.Tables {
		if !tableID.MatchString(t.ID) {
			return fmt.Errorf("table %q.%q with id %q: not a table id", t.Keyspace, t.Name, t.ID)
		}
		if err := t.TableName.Check(); err != nil {
			return err
		}
		for _, s := range t.SSTables {
			if err := s.check(len(n.DataDirectories)); err != nil {
				return fmt.Errorf("%s.%s: SSTable %q: %w", t.Keyspace, t.Name, s.Base, err)
			}
		}
	}
	return nil
}

func checkID(id string) error {
	if !ValidID(id) {
		return fmt.Errorf("%q: not a backup id", id)
	}
	return nil
}

// Check refuses names that no table or view of Cassandra's can have.
func (t TableName) Check() error {
	if !word.MatchString(t.Keyspace) || !word.MatchString(t.Name) {
		return fmt.Errorf("table %q.%q: not a table name", t.Keyspace, t.Name)
	}
	return nil
}

// Check refuses names that are none: they become paths and statements.
func (c *Cluster) Check() error {
	problems := []error{checkID(c.BackupID)}
	for _, k := range c.Keyspaces {
		if !word.MatchString(k.Name) {
			problems = append(problems, fmt.Errorf("keyspace %q: not a keyspace name", k.Name))
		}
	}
	for _, t := range c.Tables {
		problems = append(problems, t.TableName.Check())
		if !tableID.MatchString(t.ID) {
			problems = append(problems, fmt.Errorf("table %q.%q with id %q: not a table id", t.Keyspace, t.Name, t.ID))
		}
	}
	return errors.Join(problems...)
}

// normalize has one spelling of table ids: earlier releases wrote UUIDs with dashes.
func (c *Cluster) normalize() {
	for i := range c.Tables {
		c.Tables[i].ID = sstable.CompactID(c.Tables[i].ID)
	}
}

// Check refuses an id that is none.
func (i *Intent) Check() error { return checkID(i.BackupID) }

// Check refuses an id that is none.
func (c *Complete) Check() error { return checkID(c.BackupID) }

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
