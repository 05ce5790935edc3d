package cleaner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/sstable"
)

// clearDir is a directory besides the data directories that is emptied of the
// files that Cassandra keeps in it.
type clearDir struct {
	path  string
	files *regexp.Regexp
}

// Files of Cassandra's in the directories that are emptied: CommitLogDescriptor,
// HintsDescriptor and AutoSavingCache of 4.0 to 5.0. What else lies there, such as
// lost+found of a volume of its own, stays.
var (
	commitLogFile = regexp.MustCompile(`^CommitLog-.*$`)
	hintsFile     = regexp.MustCompile(`^.*\.(hints|crc32)$`)
	cacheFile     = regexp.MustCompile(`^(.*-)?(Key|Row|Counter)Cache(-.*)?\.(db|crc32|crc|tmp|db\.tmp)$`)
)

func usage(format string, args ...any) error { return flow.Failf(flow.Usage, format, args...) }

func refuse(format string, args ...any) error { return flow.Failf(flow.Precondition, format, args...) }

func damaged(format string, args ...any) error { return flow.Failf(flow.Corrupt, format, args...) }

// newCleaner checks the options and what they name.
func newCleaner(opts Options) (*cleaner, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	opts.Data = slices.Clone(opts.Data)
	if len(opts.Data) == 0 {
		opts.Data = []string{filepath.Join(opts.Volume, "data")}
	}
	if err := currentUser().check(opts.Volume, opts.Data); err != nil {
		return nil, err
	}
	c := &cleaner{Options: opts}
	c.lease = c.takeLease
	c.result.TablesEmptied, c.result.DirectoriesEmptied, c.result.Foreign = []wire.Emptied{}, []wire.Emptied{}, []string{} // JSON readers want lists
	if err := c.findDirs(); err != nil {
		return nil, err
	}
	c.node = &storage.Volumes{Node: wire.Node{Name: "cleaner", Volume: c.Volume, DataDirs: c.Data, VolumeID: c.VolumeID}}
	c.disk.files = c.node.Files()
	return c, c.findClearDirs()
}

// check looks at the options by themselves.
func (o Options) check() error {
	switch {
	case o.Volume == "":
		return usage("no volume: use --volume DIR")
	case o.Backup != "" && !document.ValidID(o.Backup):
		return usage("%q is not a backup id", o.Backup)
	case o.Release != "" && !releaseVersion.MatchString(o.Release):
		return usage("--cassandra-version %q is not a version such as 5.0.9", o.Release)
	}
	return nil
}

// findDirs makes the volume and the data directories absolute; all must be there.
func (c *cleaner) findDirs() error {
	seen := map[storage.Inode]string{}
	for i, path := range append([]*string{&c.Volume}, pointers(c.Data)...) {
		var err error
		if *path, err = filepath.Abs(*path); err != nil {
			return usage("directory %q: %w", *path, err)
		}
		info, err := os.Stat(*path)
		if err != nil || !info.IsDir() {
			return refuse("directory %s: %w", *path, storage.OrNotDir(err))
		}
		if other := seen[storage.InodeOf(info)]; other != "" && i > 0 {
			return usage("data directory %s is the same directory as %s: list each data directory once", *path, other)
		}
		if i > 0 {
			seen[storage.InodeOf(info)] = *path
		}
	}
	return nil
}

func pointers(paths []string) []*string {
	list := make([]*string, len(paths))
	for i := range paths {
		list[i] = &paths[i]
	}
	return list
}

// findClearDirs finds the directories to empty. A commit log that is not found is
// one that would be replayed: it must be there. The others may never have been
// made.
func (c *cleaner) findClearDirs() error {
	for _, d := range []struct {
		given, name, flag string
		files             *regexp.Regexp
		required          bool
	}{
		{c.CommitLog, "commitlog", "--commitlog", commitLogFile, true},
		{c.Hints, "hints", "--hints", hintsFile, false},
		{c.SavedCaches, "saved_caches", "--saved-caches", cacheFile, false},
		{c.CDC, "cdc_raw", "--cdc", commitLogFile, false},
	} {
		path, stat := d.given, os.Stat
		if path == "" {
			path, stat = filepath.Join(c.Volume, d.name), c.disk.files.Lstat // none that leads elsewhere by itself
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return usage("directory %q: %w", path, err)
		}
		info, err := stat(path)
		if errors.Is(err, fs.ErrNotExist) && d.given == "" && !d.required {
			continue
		}
		if err != nil || !info.IsDir() {
			return refuse("directory %s: %w; use %s DIR to give its location (it must be emptied, too)", path, storage.OrNotDir(err), d.flag)
		}
		c.clear = append(c.clear, clearDir{path, d.files})
		c.disk.files = c.disk.files.And(path)
	}
	return nil
}

// open chooses the backup and reads its documents.
func (c *cleaner) open(context.Context) error {
	id, err := c.choose()
	if err != nil {
		return err
	}
	var newer *document.NewerError
	if c.backup, err = document.Open(c.Volume, id, c.Data); errors.As(err, &newer) {
		return flow.Fail(flow.Precondition, err)
	} else if err != nil {
		return flow.Fail(flow.Corrupt, err)
	}
	n := &c.backup.Node
	c.result.BackupID, c.result.Node, c.result.HostID = id, n.Member.Name, n.Member.HostID
	c.result.PeersForgotten = c.ForgetPeers
	if c.HostID != "" && !strings.EqualFold(c.HostID, n.Member.HostID) {
		return refuse("the volume belongs to another node: host id %s (%s in the backup), expected %s", n.Member.HostID, n.Member.Name, c.HostID)
	}
	if len(n.DataDirectories) != len(c.Data) {
		return refuse("the node had the data directories %s, but %d given: use --data DIR for each, in this order",
			strings.Join(n.DataDirectories, ", "), len(c.Data))
	}
	if err := c.describe(); err != nil {
		return flow.Fail(flow.Corrupt, err)
	}
	return c.checkVolume()
}

// choose reads what lies on the volume and picks the backup.
func (c *cleaner) choose() (string, error) {
	var err error
	if c.volume, err = c.node.Inspect(); err != nil {
		return "", flow.Fail(flow.Precondition, err)
	}
	c.identity = c.volume.Identity
	c.result.Volume, c.result.Ledger = c.identity, c.volume.Brief()
	id, err := ledger.Choose([]ledger.Volume{c.volume}, c.Backup)
	if errors.Is(err, ledger.ErrNoBackup) {
		return "", flow.Fail(flow.Precondition, fmt.Errorf("%w (looked in %s)", err, c.node.Dir()))
	}
	return id, flow.Fail(flow.Corrupt, err)
}

// checkEarlier looks at what was restored on this very volume before. What was
// restored may have been written to since: that is not undone by accident.
func (c *cleaner) checkEarlier(context.Context) error {
	c.name()
	id := c.backup.Node.BackupID
	b, _ := c.volume.Backup(id)
	s := ledger.StateOf(c.volume, b)
	switch ledger.Next(ledger.Request{Operation: ledger.Clean, InPlace: true, Again: c.Again}, s) { // checkVolume looked what the volume is
	case ledger.Nothing:
		return c.settle(c.volume.Cleaned(id))
	case ledger.RefuseAgain:
		if s.Stage == ledger.Done {
			return refuse("backup %s was restored on this volume, and clients may have written since: to clean it again and lose these writes, use --again", id)
		}
		return refuse("a restore loaded backup %s on this volume and was not verified: run after-restore again, "+
			"or use --again to clean it and lose all writes since", id)
	}
	for _, r := range c.volume.Interrupted() {
		if r.ID != c.id {
			c.result.Supersedes = append(c.result.Supersedes, r.ID)
		}
	}
	return nil
}

// name gives the restore its id.
func (c *cleaner) name() {
	c.id = ledger.CleanID(c.backup.Node.BackupID, c.identity)
	c.result.Volume, c.result.RestoreID = c.identity, c.id
}

// settle ends a run on a volume that was cleaned with this backup before.
func (c *cleaner) settle(was *ledger.Cleaned) error {
	if was.PeersForgotten != c.ForgetPeers && !c.DryRun {
		return refuse("the volume was already cleaned with backup %s at %s, with peers %s. To clean it again with another --peers and lose all writes since, use --again",
			was.BackupID, was.Time.Format("2006-01-02T15:04:05Z07:00"), peersWord(was.PeersForgotten))
	}
	ran, err := c.ran()
	if err != nil {
		return err
	}
	c.result.State, c.result.Ran, c.result.PeersForgotten = wire.StateUnchanged, ran, was.PeersForgotten
	c.result.Tables, c.result.Files, c.result.Bytes, c.result.Cleaned = was.Tables, was.Files, was.Bytes, was.Time
	c.say("backup %s was already restored at %s: nothing to do", was.BackupID, was.Time.Format("2006-01-02T15:04:05Z07:00"))
	return nil
}

func peersWord(forgotten bool) string {
	if forgotten {
		return "forgotten"
	}
	return "kept"
}

// hold keeps agents and other cleaners away. A dry run only looks.
func (c *cleaner) hold(context.Context) error {
	if c.DryRun {
		if _, err := c.disk.files.Lstat(c.node.FlockPath()); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	err := c.node.Hold()
	var e *wire.Error
	if errors.As(err, &e) && e.Kind == wire.KindLocked {
		return flow.Fail(flow.Locked, err)
	}
	if err == nil && !c.DryRun {
		err = c.disk.own(c.node.FlockPath())
	}
	return flow.Fail(flow.Precondition, err)
}

// verify compares every file of the snapshot with the documents. It may take
// long, so an interruption does not wait for it: nothing was changed yet.
func (c *cleaner) verify(ctx context.Context) error {
	if _, _, blocked, err := c.want(); err == nil && len(blocked) > 0 {
		return refuse("%s", strings.Join(blocked, "; "))
	}
	opts := document.VerifyOptions{Full: c.Full}
	if c.Full {
		opts.NotCovered = func(table document.TableName, file string) { c.say("not covered by a checksum: %s: %s", table, file) }
		opts.Progress = func(done, total int) {
			if ctx.Err() == nil {
				c.say("verified %d of %d tables", done, total)
			}
		}
	}
	verified := make(chan []string, 1)
	go func() { verified <- document.VerifyFiles(&c.backup.Node, c.Data, opts) }()
	select {
	case problems := <-verified:
		if len(problems) > 0 {
			return damaged("backup %s is damaged: %s; use another restore point", c.backup.Node.BackupID, strings.Join(problems, "; "))
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// isPeers tells the tables of what a node remembers of others: v1 and, since 4.0,
// v2 of both.
func isPeers(t document.Table) bool {
	return t.Keyspace == "system" && slices.Contains([]string{"peers", "peers_v2", "peer_events", "peer_events_v2"}, t.Name)
}

// checkDocument makes sure that every name of the documents that becomes a part
// of a path is one.
func checkDocument(t document.Table, dirs int) error {
	if err := storage.CheckTable(t.Keyspace, t.Name, t.ID); err != nil {
		return err
	}
	for _, s := range t.SSTables {
		if s.Dir < 0 || s.Dir >= dirs || (s.Index != "" && !storage.IndexDir.MatchString(s.Index)) {
			return fmt.Errorf("%s.%s: SSTable %q: invalid data directory %d or index %q", t.Keyspace, t.Name, s.Base, s.Dir, s.Index)
		}
		for _, comp := range s.Components {
			file := sstable.FileOf(s.Base, comp.Name)
			if _, ok := sstable.ParseName(file); !ok || strings.ContainsRune(file, filepath.Separator) {
				return fmt.Errorf("%s.%s: %q is not an SSTable file name", t.Keyspace, t.Name, file)
			}
		}
	}
	return nil
}
