package cleaner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/safefile"
	"github.com/casshook/casshook/pkg/sstable"
)

// Directories that are Cassandra's or a file system's, and neither live data nor
// foreign: incremental backups; what Paxos did not commit, which belongs to no
// table; the directory of fsck.
const (
	backupsDir = "backups"
	paxosDir   = "_paxos_repair_state"
	lostFound  = "lost+found"
)

// cleanPlan is what stands between the volume as it is and the backup in place. It
// is made from what is there, so that a run that was killed needs no memory: the
// next one plans what is left.
type cleanPlan struct {
	disk *disk
	dirs []*dirPlan
	// emptied are tables, cleared other directories.
	emptied, cleared []wire.Emptied
	foreign          []string
	// blocked says what stands in the way.
	blocked []string
}

// dirPlan is what to do in one directory of live files.
type dirPlan struct {
	path string
	// create the directory, with mode and owner of the one above it; drop it
	// when it is empty.
	create, drop  bool
	remove, place []string
	// from are the files of the backup that belong here, here those of them that
	// are in place.
	from map[string]source
	here map[string]bool
}

// wanted are the files of the backup by live directory and name.
type wanted map[string]map[string]source

// want lists what belongs into every live directory, and the directories of the
// tables that the backup knows.
func (c *cleaner) want() (w wanted, known map[string]bool, blocked []string, err error) {
	w, known = wanted{}, map[string]bool{}
	c.result.Tables, c.result.Files, c.result.Bytes = 0, 0, 0
	for _, t := range c.backup.Node.Tables {
		if err := checkDocument(t, len(c.Data)); err != nil {
			return nil, nil, nil, damaged("%s: %w", document.NodeFile, err)
		}
		for _, dataDir := range c.Data {
			known[filepath.Join(dataDir, t.Keyspace, sstable.TableDir(t.Name, t.ID))] = true
		}
		if c.ForgetPeers && isPeers(t) {
			continue
		}
		c.result.Tables++
		for _, s := range t.SSTables {
			led, err := c.wantSSTable(w, t, s)
			if err != nil {
				return nil, nil, nil, flow.Fail(flow.Corrupt, err)
			}
			blocked = append(blocked, led...)
		}
	}
	slices.Sort(blocked)
	return w, known, slices.Compact(blocked), nil
}

// wantSSTable adds the files of one SSTable. It names what leads out of the data
// directory on the way to them.
func (c *cleaner) wantSSTable(w wanted, t document.Table, s document.SSTable) (led []string, err error) {
	live := filepath.Join(c.Data[s.Dir], t.Keyspace, sstable.TableDir(t.Name, t.ID), s.Index)
	from := filepath.Join(document.SnapshotDir(c.Data[s.Dir], t.Keyspace, t.Name, t.ID, c.backup.Node.BackupID), s.Index)
	if w[live] == nil {
		w[live] = map[string]source{}
	}
	d, err := c.disk.files.Dir(from)
	if errors.Is(err, safefile.ErrLink) {
		return []string{err.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	for _, comp := range s.Components {
		name := sstable.FileOf(s.Base, comp.Name)
		info, err := d.Lstat(name)
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("snapshot: %s is not a regular file", filepath.Join(from, name))
		}
		w[live][name] = source{filepath.Join(from, name), info}
		c.result.Files++
		c.result.Bytes += info.Size()
	}
	return led, nil
}

// look makes the plan. What stands in the way is said before anything is touched.
func (c *cleaner) look(context.Context) error {
	p, err := c.makePlan()
	if err != nil {
		return err
	}
	if len(p.blocked) > 0 {
		return refuse("cannot restore: %s", strings.Join(p.blocked, "; "))
	}
	if err := c.mayChange(p); err != nil {
		return err
	}
	c.plan = p
	remove, place := p.counts()
	c.result.TablesEmptied, c.result.DirectoriesEmptied, c.result.Foreign = p.emptied, p.cleared, p.foreign
	if c.DryRun {
		c.result.State, c.result.Removed = wire.StatePlanned, remove
	}
	c.say("%d tables, %d files: %d already restored, %d to restore, %d live files to remove", c.result.Tables, c.result.Files, c.result.Files-place, place, remove)
	for _, e := range p.emptied {
		c.say("not in the backup, will be emptied: %s (%d files)", e.Path, e.Files)
	}
	for _, path := range p.foreign {
		c.say("foreign, kept: %s", path)
	}
	return nil
}

func (p *cleanPlan) counts() (remove, place int) {
	for _, d := range p.dirs {
		remove += len(d.remove)
		place += len(d.place)
	}
	return remove, place
}

func (c *cleaner) makePlan() (*cleanPlan, error) {
	w, known, blocked, err := c.want()
	if err != nil {
		return nil, err
	}
	p := &cleanPlan{disk: &c.disk, blocked: blocked, emptied: []wire.Emptied{}, cleared: []wire.Emptied{}, foreign: []string{}}
	for _, dataDir := range c.Data {
		if err := p.dataDir(dataDir, w, known); err != nil {
			return nil, flow.Fail(flow.Precondition, err)
		}
	}
	for _, d := range c.clear {
		if err := p.clear(d); err != nil {
			return nil, flow.Fail(flow.Precondition, err)
		}
	}
	p.missing(w)
	return p, nil
}

// mayChange looks whether the user that the cleaner runs as may do what is
// planned, as far as can be told without trying.
func (c *cleaner) mayChange(p *cleanPlan) error {
	uid := os.Geteuid()
	for _, d := range p.dirs {
		if len(d.remove)+len(d.place) == 0 {
			continue
		}
		const writeAndSearch = 3
		if err := syscall.Access(d.path, writeAndSearch); err != nil && !d.create {
			return refuse("directory %s: %w; run the cleaner as its owner", d.path, err)
		}
		for _, name := range d.place {
			if st, ok := d.from[name].info.Sys().(*syscall.Stat_t); ok && uid != 0 && int(st.Uid) != uid {
				return refuse("%s belongs to uid %d; run the cleaner as that user, not as uid %d", d.from[name].path, st.Uid, uid)
			}
		}
	}
	return nil
}
