package agent

import (
	"context"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/sstable"
)

// autoList is the list of snapshots that Cassandra took by itself. The list lies on the
// volume and names what is removed, so an entry counts only as far as it names a table
// and a tag (autoSnapshot); where these are is up to the node.
type autoList struct {
	Version   int      `json:"version"`
	Snapshots []string `json:"snapshots"`
	// Tables that the restore drops or truncates, as keyspace.table.
	Tables []string `json:"tables,omitempty"`
}

// autoSnapshot is <keyspace>/<table>-<id>/snapshots/<tag>. Earlier releases wrote it with
// the data directory before it.
var autoSnapshot = regexp.MustCompile(`(?:^|/)(\w+/\w+-[0-9a-f]{32}/` + sstable.SnapshotsDir + `/(?:dropped|truncated)-[^/\x00]+)$`)

// reduced are the entries of a list that name a table and a tag, as just that.
func (l autoList) reduced() []string {
	var found []string
	for _, s := range l.Snapshots {
		if m := autoSnapshot.FindStringSubmatch(s); m != nil {
			found = append(found, m[1])
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// listAuto lists the snapshots that DROP and TRUNCATE leave behind, as autoList has them.
func (n *node) listAuto() ([]string, error) {
	var found autoList
	for _, dataDir := range n.DataDirs {
		for _, prefix := range []string{"dropped-", "truncated-"} {
			dirs, err := filepath.Glob(filepath.Join(escapeGlob(dataDir), "*", "*-*", sstable.SnapshotsDir, prefix+"*"))
			if err != nil {
				return nil, err
			}
			found.Snapshots = append(found.Snapshots, dirs...)
		}
	}
	return found.reduced(), nil
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// autoBefore lists the automatic snapshots before DDL and TRUNCATE. A list that a
// killed run left stays, so that what that run caused is known to be ours; its
// tables and this run's are taken together.
func (n *node) autoBefore(_ context.Context, _ call, args wire.AutoArgs) (none, error) {
	dir, err := n.Ledger().RestoreDir(args.RestoreID)
	if err != nil {
		return none{}, err
	}
	path := filepath.Join(dir, autoBefore)
	before := autoList{Version: document.Version}
	killed, err := ledger.ReadIfThere(n.Files(), path, &before)
	if err != nil {
		return none{}, err
	}
	if !killed {
		if before.Snapshots, err = n.listAuto(); err != nil {
			return none{}, err
		}
	}
	for _, t := range args.Tables {
		before.Tables = append(before.Tables, t.Keyspace+"."+t.Name)
	}
	slices.Sort(before.Tables)
	before.Tables = slices.Compact(before.Tables)
	return none{}, ledger.Write(n.Files(), path, before)
}

// tableOf names the table that a snapshot directory belongs to.
func tableOf(snapshot string) string {
	tableDir := filepath.Dir(filepath.Dir(snapshot))
	name, _, _ := sstable.ParseTableDir(filepath.Base(tableDir))
	return filepath.Base(filepath.Dir(tableDir)) + "." + name
}

// autoAfter records which automatic snapshots of the restore's tables came since
// autoBefore.
func (n *node) autoAfter(_ context.Context, _ call, args wire.AutoArgs) (none, error) {
	return none{}, n.recordAuto(args.RestoreID)
}

func (n *node) recordAuto(restore string) error {
	dir, err := n.Ledger().RestoreDir(restore)
	if err != nil {
		return err
	}
	var before, caused autoList
	if ok, err := ledger.ReadIfThere(n.Files(), filepath.Join(dir, autoBefore), &before); err != nil || !ok {
		return err
	}
	if _, err := ledger.ReadIfThere(n.Files(), filepath.Join(dir, autoCaused), &caused); err != nil {
		return err
	}
	caused.Snapshots = caused.reduced()
	known := map[string]bool{}
	for _, s := range append(before.reduced(), caused.Snapshots...) {
		known[s] = true
	}
	found, err := n.listAuto()
	if err != nil {
		return err
	}
	for _, s := range found {
		if !known[s] && slices.Contains(before.Tables, tableOf(s)) {
			caused.Snapshots = append(caused.Snapshots, s)
		}
	}
	caused.Version = document.Version
	if err := ledger.Write(n.Files(), filepath.Join(dir, autoCaused), caused); err != nil {
		return err
	}
	return n.Files().Remove(filepath.Join(dir, autoBefore))
}

// removeAuto removes the automatic snapshots that the restore caused. It gives the paths
// where they are or were, and how many it found. Their list stays, for the case that this is not the end of it.
func (n *node) removeAuto(dir string) (paths []string, removed int, err error) {
	var caused autoList
	if _, err := ledger.ReadIfThere(n.Files(), filepath.Join(dir, autoCaused), &caused); err != nil {
		return nil, 0, err
	}
	for _, s := range caused.reduced() {
		for _, dataDir := range n.DataDirs {
			path := filepath.Join(dataDir, s)
			paths = append(paths, path)
			if !n.Files().IsDir(path) {
				continue
			}
			if err := n.Files().RemoveAll(path); err != nil {
				return paths, removed, err
			}
			removed++
			n.removeIfEmpty(filepath.Dir(path))
		}
	}
	return paths, removed, nil
}
