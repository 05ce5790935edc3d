package cleaner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
)

// Steps of the cleaner's journal. The last says what is to come, since it is what
// status shows.
const (
	journalRemoving = "removing live files"
	journalPlacing  = "linking the snapshot"
	journalData     = "linking Data.db files"
	journalCleaned  = "cleaned, not verified by after-restore"
)

// journalStages are the stages that steps of the journal enter.
func journalStages() map[string]ledger.Stage {
	return map[string]ledger.Stage{
		journalRemoving: ledger.Truncated, journalPlacing: ledger.Loading, journalData: ledger.Loading, journalCleaned: ledger.Loaded,
	}
}

// begin begins the journal, after which the volume counts as half cleaned. On a
// full file system saved caches, which nobody misses, make room for it.
func (c *cleaner) begin(context.Context) error {
	err := c.beginJournal()
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		c.say("file system full: removing saved caches to free space for the journal")
		if err = c.dropCaches(); err == nil {
			err = c.beginJournal()
		}
	}
	if err != nil {
		return flow.Fail(flow.Precondition, fmt.Errorf("%w; nothing was changed", explain(err)))
	}
	c.begun = true
	return nil
}

func (c *cleaner) dropCaches() error {
	for _, d := range c.plan.dirs {
		for _, name := range d.remove {
			if d.from != nil || !cacheFile.MatchString(name) {
				continue
			}
			if err := c.disk.remove(filepath.Join(d.path, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *cleaner) beginJournal() error {
	if c.VolumeID == "" {
		if err := c.markVolume(); err != nil {
			return err
		}
	}
	var err error
	if c.dir, err = c.node.Ledger().RestoreDir(c.id); err != nil {
		return err
	}
	err = c.disk.files.Mkdir(c.dir)
	fresh := err == nil
	if err == nil || errors.Is(err, fs.ErrExist) {
		err = c.fillJournal()
	}
	if err != nil && fresh { // nothing was changed, and nothing shall say otherwise
		return errors.Join(err, c.disk.files.RemoveAll(c.dir))
	}
	return err
}

func (c *cleaner) fillJournal() error {
	if err := c.disk.own(c.dir); err != nil {
		return err
	}
	whole := ledger.All()
	attributes, err := c.node.Attributes()
	if err != nil {
		return err
	}
	info := ledger.Info{BackupID: c.backup.Node.BackupID, Volume: c.identity, Attributes: attributes, Offline: true, Scope: &whole}
	if err := c.disk.write(filepath.Join(c.dir, ledger.RestoreFile), info.Current()); err != nil {
		return err
	}
	for _, id := range c.result.Supersedes {
		c.say("supersedes restore %s, which did not finish", id)
		if err := c.note("superseding restore "+id, false); err != nil {
			return err
		}
	}
	for _, e := range c.plan.emptied {
		if err := c.note("emptying "+e.Path+", which the backup does not have", false); err != nil {
			return err
		}
	}
	if err := c.note(journalRemoving, false); err != nil {
		return err
	}
	// From here on what an earlier run placed is not known to be there.
	if err := c.disk.remove(filepath.Join(c.dir, ledger.CleanedFile)); err != nil {
		return err
	}
	if err := c.disk.sync(); err != nil {
		return err
	}
	return c.disk.files.SyncDir(c.node.Dir())
}

// markVolume gives a volume without an identity one, and the restore its name.
func (c *cleaner) markVolume() error {
	if err := document.MarkVolume(c.disk.files, c.Volume); err != nil {
		return err
	}
	identity, err := c.node.Identity()
	if err != nil || identity == c.identity {
		return err
	}
	c.identity = identity
	c.name()
	return c.disk.own(document.VolumeFile(c.Volume))
}

// note appends to the journal.
func (c *cleaner) note(step string, ended bool) error {
	path := filepath.Join(c.dir, ledger.JournalFile)
	if err := c.disk.step("journal", path); err != nil {
		return err
	}
	entry := ledger.Entry{Time: time.Now().UTC(), Step: step, Stage: journalStages()[step], Ended: ended}
	if err := c.node.Ledger().Append(c.dir, entry); err != nil {
		return err
	}
	return c.disk.own(path)
}

// remove removes everything live that is not of the backup, transaction logs
// included: one that were left would have Cassandra delete what is put in place,
// since links have the times that it recorded (LogFile.verifyRecord). All of it is
// durably gone before anything is put in place.
func (c *cleaner) remove(ctx context.Context) error {
	for _, d := range c.plan.dirs {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, name := range d.remove {
			if err := c.disk.remove(filepath.Join(d.path, name)); err != nil {
				return err
			}
			c.result.Removed++
		}
		if d.drop {
			if err := c.disk.remove(d.path); err != nil {
				return err
			}
		}
	}
	if err := c.disk.sync(); err != nil {
		return err
	}
	return c.note(journalRemoving, true)
}

// place puts all files in place but those without which an SSTable is none.
func (c *cleaner) place(ctx context.Context) error {
	if err := c.note(journalPlacing, false); err != nil {
		return err
	}
	for _, d := range c.plan.dirs {
		if err := c.placeIn(ctx, d, false); err != nil {
			return err
		}
	}
	if err := c.disk.sync(); err != nil {
		return err
	}
	return c.note(journalPlacing, true)
}

// placeData puts the Data.db files in place, when all else is there for good.
func (c *cleaner) placeData(ctx context.Context) error {
	if err := c.note(journalData, false); err != nil {
		return err
	}
	for _, d := range c.plan.dirs {
		if err := c.placeIn(ctx, d, true); err != nil {
			return err
		}
	}
	if err := c.disk.sync(); err != nil {
		return err
	}
	return c.note(journalData, true)
}

func (c *cleaner) placeIn(ctx context.Context, d *dirPlan, data bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.create && !data {
		like, err := c.disk.files.Stat(filepath.Dir(d.path))
		if err != nil {
			return err
		}
		if err := c.disk.mkdir(d.path, like); err != nil {
			return err
		}
	}
	for _, name := range d.place {
		if storage.IsData(name) != data {
			continue
		}
		from, to := d.from[name], filepath.Join(d.path, name)
		if copied(name) {
			n, err := c.disk.copy(from, to)
			if err != nil {
				return err
			}
			c.result.Copied++
			c.result.BytesCopied += n
			continue
		}
		if err := c.disk.link(from.path, to); err != nil {
			return err
		}
		c.result.Linked++
		c.result.BytesLinked += from.info.Size()
	}
	return nil
}

// check plans once more: nothing may be left to do. A Cassandra that was started
// meanwhile has left something.
func (c *cleaner) check(ctx context.Context) error {
	p, err := c.makePlan()
	if err != nil {
		return err
	}
	var left []string
	for _, d := range p.dirs {
		for _, name := range append(d.remove, d.place...) {
			left = append(left, filepath.Join(d.path, name))
		}
	}
	if left = append(left, p.blocked...); len(left) > 0 {
		return fmt.Errorf("%d files changed while the cleaner ran (was Cassandra started?): %s", len(left), storage.Brief(left))
	}
	return c.checkStopped(ctx)
}

// mark ends the cleaning.
func (c *cleaner) mark(context.Context) error {
	c.result.State, c.result.Cleaned = wire.StateCleaned, time.Now().UTC()
	// Before the marker: a restore that stopped must not load once more what clients
	// may have written to since the node was started.
	for _, id := range c.result.Supersedes {
		if err := c.supersede(id); err != nil {
			return err
		}
	}
	if err := c.note(journalCleaned, true); err != nil {
		return err
	}
	marker := ledger.Cleaned{
		Version: document.Version, BackupID: c.result.BackupID, Volume: c.identity, Node: c.result.Node, HostID: c.result.HostID,
		Time: c.result.Cleaned, PeersForgotten: c.ForgetPeers, Tables: c.result.Tables, Files: c.result.Files, Bytes: c.result.Bytes,
	}
	if err := c.disk.write(filepath.Join(c.dir, ledger.CleanedFile), marker); err != nil {
		return err
	}
	return c.forgetOthers()
}

func (c *cleaner) supersede(id string) error {
	if err := c.disk.step("supersede", id); err != nil {
		return err
	}
	return c.node.Ledger().Supersede(id)
}

// forgetOthers removes the journals of cleanings of this volume that stopped
// half-way: the volume is no longer what they left.
func (c *cleaner) forgetOthers() error {
	restores, err := c.node.Ledger().Restores()
	if err != nil {
		return err
	}
	for _, r := range restores {
		if !r.Offline || r.Cleaned != nil || r.ID == c.id || !c.volume.Here(r) {
			continue
		}
		if err := c.disk.step("forget", r.ID); err != nil {
			return err
		}
		if err := c.node.Ledger().Forget([]ledger.Restore{r}); err != nil {
			return err
		}
	}
	return nil
}
