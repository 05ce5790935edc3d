package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/sstable"
)

// pollEvery is how often the agent looks whether work of unknown outcome ended.
const pollEvery = 200 * time.Millisecond

// begin records that a backup was begun on the volume, before anything of it is. On
// the way it corrects what earlier releases left.
func (n *node) begin(_ context.Context, _ call, args wire.BeginArgs) (none, error) {
	if err := n.settleTOCs(); err != nil {
		return none{}, err
	}
	volume, err := n.Identified()
	if err != nil {
		return none{}, err
	}
	minor, ignorable := volume.Attributes.Recorded()
	dir := document.BackupDir(n.Volume, args.BackupID)
	if err := n.Files().MkdirAll(dir); err != nil {
		return none{}, err
	}
	content, err := document.Encode(document.Intent{Version: document.Version, Minor: minor, Ignorable: ignorable, BackupID: args.BackupID,
		Volume: volume.Identity, Attributes: volume.Attributes, Owner: args.Owner, Started: time.Now().UTC()})
	if err != nil {
		return none{}, err
	}
	if err := document.WriteFile(n.Files(), filepath.Join(dir, document.IntentFile), content); err != nil {
		return none{}, err
	}
	return none{}, n.Ledger().Note(ledger.Event{BackupID: args.BackupID, Owner: args.Owner, Volume: volume.Identity, Operation: ledger.BeforeBackup, By: args.Owner})
}

// snapshot waits behind the executor's barrier, takes the snapshot, and is done
// when every expected table has its manifest, which Cassandra writes last.
func (n *node) snapshot(ctx context.Context, c call, args wire.SnapshotArgs) (wire.SnapshotResult, error) {
	var r wire.SnapshotResult
	if err := n.cassandra.open(ctx); err != nil {
		return r, err
	}
	select {
	case <-c.s.release: // meant for a snapshot that was given up
	default:
	}
	c.event(wire.Event{Kind: wire.EventReady})
	select {
	case <-c.s.release:
	case <-c.overtaken:
		return r, errors.New("the snapshot was cancelled before it started")
	case <-ctx.Done():
		return r, context.Cause(ctx)
	}
	r.Start = time.Now().UTC()
	c.event(wire.Event{Kind: wire.EventStarted})
	err := n.cassandra.snapshot(ctx, args.Tag)
	r.End = time.Now().UTC()
	if isUnknown(err) {
		err = n.awaitSnapshot(ctx, args)
		r.End = time.Now().UTC()
	}
	c.event(wire.Event{Kind: wire.EventFinished})
	if err != nil {
		return r, n.flushFailed(err)
	}
	if missing := n.lacking(args); len(missing) > 0 {
		return r, &wire.Error{Kind: wire.KindMissing, Message: fmt.Sprintf("snapshot %s: %s", args.Tag, lacks(args, missing))}
	}
	return r, nil
}

func (n *node) awaitSnapshot(ctx context.Context, args wire.SnapshotArgs) error {
	w := flow.Waiting{For: "snapshot " + args.Tag + ", whose call timed out", Limit: args.Wait, Every: pollEvery}
	return flow.Wait(ctx, w, func(context.Context) (string, error) {
		missing := n.lacking(args)
		if len(missing) == 0 {
			return "", nil
		}
		return lacks(args, missing), nil
	})
}

// lacks says in words what lacking found.
func lacks(args wire.SnapshotArgs, missing []string) string {
	return fmt.Sprintf("missing for %d of %d tables: %s", len(missing), len(args.Tables), storage.Brief(missing))
}

// lacking lists the tables without a manifest for the tag, each with the reason.
func (n *node) lacking(args wire.SnapshotArgs) []string {
	var missing []string
	for _, t := range args.Tables {
		if why := n.whyMissing(t, args.Tag); why != "" {
			missing = append(missing, fmt.Sprintf("%s.%s (%s)", t.Keyspace, t.Name, why))
		}
	}
	return missing
}

// whyMissing says why a table has no snapshot of the tag; "" when it has. The schema
// knows the table, so a directory that is missing may be one that the inventory does
// not name.
func (n *node) whyMissing(t document.TableRef, tag string) string {
	var live []string
	for _, dataDir := range n.DataDirs {
		dir := document.SnapshotDir(dataDir, t.Keyspace, t.Name, t.ID, tag)
		_, err := n.Files().Lstat(filepath.Join(dir, sstable.ManifestFile))
		if err == nil {
			return ""
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err.Error()
		}
		table := filepath.Dir(filepath.Dir(dir))
		if n.Files().IsDir(table) {
			live = append(live, table)
		}
	}
	if len(live) == 0 {
		return fmt.Sprintf("directory %s/%s not found in %s", t.Keyspace, sstable.TableDir(t.Name, t.ID), strings.Join(n.DataDirs, ", "))
	}
	return "no snapshot in " + strings.Join(live, ", ")
}

// write scans the snapshot, compares it with the tables that the schema has, and
// writes the documents but for COMPLETE, reading each back.
func (n *node) write(ctx context.Context, c call, args wire.WriteArgs) (wire.WriteResult, error) {
	var r wire.WriteResult
	var err error
	if r.Warnings, err = n.checkFlushed(ctx); err != nil {
		return r, err
	}
	volume, err := n.Identified()
	if err != nil {
		return r, err
	}
	tables, err := document.Scan(n.DataDirs, args.BackupID)
	if err != nil {
		return r, err
	}
	if err := n.onlyExpected(tables, args); err != nil {
		return r, err
	}
	if err := n.sum(ctx, c, tables, args.BackupID); err != nil {
		return r, err
	}
	r.Warnings = append(r.Warnings, undigested(tables)...)
	_, ignorable := volume.Attributes.Recorded()
	doc := document.Node{
		Version: document.Version, Ignorable: ignorable, BackupID: args.BackupID, Member: args.Member,
		Volume: volume.Identity, Attributes: volume.Attributes,
		DataDirectories: n.DataDirs, SnapshotStart: args.Start, SnapshotEnd: args.End, Tables: tables,
	}
	doc.Summed()
	content, err := document.Encode(doc)
	if err != nil {
		return r, err
	}
	files := map[string][]byte{document.NodeFile: content}
	for _, name := range document.Shared() {
		files[name] = args.Shared[name]
	}
	for name, content := range files {
		if err := n.writeBack(filepath.Join(document.BackupDir(n.Volume, args.BackupID), name), content); err != nil {
			return r, err
		}
	}
	r.Digest, r.Tables = document.SHA256(content), len(tables)
	for _, t := range tables {
		r.SSTables += len(t.SSTables)
		for _, s := range t.SSTables {
			r.Bytes += s.Bytes()
		}
	}
	return r, nil
}

// onlyExpected compares the tables found with those of the schema by id. A table
// that is in the snapshot but not in the schema was dropped or created meanwhile;
// the schema's version decides that, so here both ways are errors.
func (n *node) onlyExpected(found []document.Table, args wire.WriteArgs) error {
	want := map[string]document.TableRef{}
	for _, t := range args.Tables {
		want[t.Keyspace+"."+t.Name+"-"+t.ID] = t
	}
	var problems []string
	for _, t := range found {
		key := t.Keyspace + "." + t.Name + "-" + t.ID
		if _, ok := want[key]; !ok {
			problems = append(problems, key+" is in the snapshot but not in the schema")
		}
		delete(want, key)
	}
	for key, t := range want {
		problems = append(problems, key+" is in the schema but not in the snapshot: "+n.whyMissing(t, args.BackupID))
	}
	if len(problems) > 0 {
		slices.Sort(problems)
		return &wire.Error{Kind: wire.KindMissing, Message: storage.Brief(problems)}
	}
	return nil
}

func (n *node) writeBack(path string, content []byte) error {
	files := n.Files()
	if err := document.WriteFile(files, path, content); err != nil {
		return err
	}
	got, err := files.Read(path, int64(len(content)))
	if err != nil {
		return err
	}
	if document.SHA256(got) != document.SHA256(content) {
		return fmt.Errorf("%s: content differs after writing; check the volume", path)
	}
	return nil
}

// complete writes COMPLETE and makes the file systems durable, since a volume
// snapshot copies the block device. The documents are verified once more.
func (n *node) complete(_ context.Context, _ call, args wire.CompleteArgs) (none, error) {
	for _, dir := range append([]string{n.Volume}, n.DataDirs...) {
		if err := storage.Syncfs(dir); err != nil {
			return none{}, err
		}
	}
	path := filepath.Join(document.BackupDir(n.Volume, args.BackupID), document.CompleteFile)
	if err := document.WriteFile(n.Files(), path, args.Content); err != nil {
		return none{}, err
	}
	if _, err := document.Open(n.Volume, args.BackupID, n.DataDirs); err != nil {
		return none{}, errors.Join(err, n.Files().Remove(path))
	}
	return none{}, storage.Syncfs(n.Volume)
}
