package cleaner

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/schema"
)

// describe says what of the documents others compare.
func (c *cleaner) describe() error {
	complete, err := document.ReadFile(c.disk.files, filepath.Join(document.BackupDir(c.Volume, c.result.BackupID), document.CompleteFile))
	if err != nil {
		return err
	}
	cl := &c.backup.Cluster
	b := &wire.CleanBackup{
		Created: cl.Created, CompleteDigest: document.SHA256(complete), Namespace: cl.Namespace, ClusterHash: cl.ClusterHash, ClusterName: cl.ClusterName,
		Member: c.backup.Node.Member, Members: cl.Members, Placement: map[string][]string{}, Formats: c.backup.Node.Formats(),
	}
	b.AutoRepair = autoRepair(c.backup)
	for _, ks := range cl.Keyspaces {
		for option := range ks.Replication {
			if strings.HasSuffix(ks.Replication["class"], "NetworkTopologyStrategy") && option != "class" {
				b.Placement[ks.Name] = append(b.Placement[ks.Name], option)
			}
		}
		slices.Sort(b.Placement[ks.Name])
	}
	c.result.Backup = b
	return nil
}

// autoRepair tells whether the nodes of a backup ran with automatic repair, as far as
// the schema can be read: the cleaner itself does not need it.
func autoRepair(b *document.Backup) bool {
	rows, err := document.DecodeLines[schema.Row](b.Schema)
	if err != nil {
		return false
	}
	parsed, err := schema.Parse(rows, b.Cluster.Extras)
	if err != nil {
		return false
	}
	on, _ := parsed.AutoRepair()
	return on
}

// ran tells whether Cassandra ran since the cleaner emptied the commit log: it
// begins a segment before it does anything else.
func (c *cleaner) ran() (bool, error) {
	for _, d := range c.clear {
		if d.files != commitLogFile {
			continue
		}
		entries, err := c.disk.files.ReadDir(d.path)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(entries, func(e os.DirEntry) bool { return d.files.MatchString(e.Name()) }) {
			return true, nil
		}
	}
	return false, nil
}

// checkVolume makes sure that the volume came back from a restore point, or that
// whoever cleans it knows that it did not.
func (c *cleaner) checkVolume() error {
	id := c.backup.Node.BackupID
	b, _ := c.volume.Backup(id)
	request := ledger.Request{Operation: ledger.Clean, InPlace: c.InPlace, Again: c.Again, Restored: c.Restored}
	switch ledger.Next(request, ledger.StateOf(c.volume, b)) {
	case ledger.RefuseOriginal:
		return refuse("this is the original volume of backup %s, not a restored copy. "+
			"To roll back in place and lose all writes since, use --in-place", id)
	case ledger.RefuseUnknown:
		hint := ""
		if c.VolumeID == "" {
			hint = "--volume-id ID to identify it, or "
		}
		return refuse("cannot tell whether this is the original volume of backup %s or a restored copy (%s): use %s--restored if it was restored from a restore point, "+
			"or --in-place to roll back the original and lose all writes since", id, ledger.Explain(b, c.volume), hint)
	}
	return nil
}
