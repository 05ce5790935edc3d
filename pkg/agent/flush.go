package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/safefile"
)

// Cassandra deletes a segment of its commit log when all that is in it was flushed. When a
// flush fails and disk_failure_policy says to go on, it forgets the flush: reads show the
// rows, no later flush writes them, and the segments stay until the node restarts and
// replays them (ColumnFamilyStore.PostFlush of 4.0 to 5.0: "If a flush errored out but the
// error was ignored, make sure we don't discard the commit log").

// segmentFile is a file of the commit log, with its id: milliseconds since 1970 when
// Cassandra started, counted up (CommitLogSegment).
var segmentFile = regexp.MustCompile(`^CommitLog-\d+-(\d+)\.log$`)

// inUse is how many of the newest segments Cassandra may still write to: the one in use,
// and one that is made in advance.
const inUse = 2

// flushing is what the agent must know to tell whether everything was flushed.
type flushing struct {
	wire.FlushArgs
	// full are the segments, by id, that were written to the end before the flush.
	full []int64
	// blind says why the commit log could not be looked at.
	blind error
}

// flushFailure records that a flush failed which Cassandra forgets.
type flushFailure struct {
	Version int       `json:"version"`
	Time    time.Time `json:"time"`
}

// flushFailedFile is in casshook's directory.
const flushFailedFile = "flush-failed.json"

func (n *node) flush(ctx context.Context, _ call, args wire.FlushArgs) (none, error) {
	n.flushing = &flushing{FlushArgs: args}
	segments, err := n.segments()
	if n.flushing.blind = err; err == nil {
		n.flushing.full = segments[:max(0, len(segments)-inUse)]
	}
	return none{}, n.flushFailed(n.cassandra.flush(ctx, args.Keyspaces))
}

// flushFailed remembers a failure that Cassandra forgets.
func (n *node) flushFailed(err error) error {
	if err == nil || isUnknown(err) || n.flushing == nil || !n.flushing.Forgets || !n.Held() {
		return err
	}
	return errors.Join(err, ledger.Write(n.Files(), n.flushFailedPath(), flushFailure{document.Version, time.Now().UTC()}))
}

func (n *node) flushFailedPath() string { return filepath.Join(n.Dir(), flushFailedFile) }

// segments are the ids of the files of the commit log, oldest first.
func (n *node) segments() ([]int64, error) {
	dir := n.flushing.CommitLog
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("its directory is %q", dir)
	}
	entries, err := safefile.New(dir).ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, e := range entries {
		if m := segmentFile.FindStringSubmatch(e.Name()); m != nil {
			id, err := strconv.ParseInt(m[1], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", e.Name(), err)
			}
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// checkFlushed looks, after the snapshot, for rows that no flush has written. They are a
// warning, or an error where Cassandra goes on after a failed flush.
func (n *node) checkFlushed(ctx context.Context) (warnings []string, err error) {
	if n.flushing == nil {
		return nil, nil
	}
	if n.flushing.blind != nil {
		return []string{fmt.Sprintf("the commit log was not looked at for flushes that failed: %s", n.flushing.blind)}, nil
	}
	left, err := n.leftAfterFlush(ctx)
	if err != nil {
		return nil, err
	}
	if len(left) == 0 && n.flushing.Forgets {
		return nil, n.checkRemembered()
	}
	if len(left) == 0 {
		return nil, nil
	}
	text := fmt.Sprintf("the commit log in %s still has %d segments from before the flush: a flush failed, and its rows are in no SSTable and not in the backup, "+
		"though reads show them (or the commit log's archiving fails); restart the node, which replays its commit log", n.flushing.CommitLog, len(left))
	if n.flushing.Forgets {
		return nil, &wire.Error{Kind: wire.KindRefused, Message: text}
	}
	return []string{text}, nil
}

// leftAfterFlush are the segments that should have gone. Cassandra passes over a segment
// that it syncs at that moment, so it is asked for another flush.
func (n *node) leftAfterFlush(ctx context.Context) ([]int64, error) {
	var left []int64
	look := func(context.Context) (string, error) {
		now, err := n.segments()
		left = slices.DeleteFunc(now, func(id int64) bool { return !slices.Contains(n.flushing.full, id) })
		if err != nil || len(left) == 0 {
			return "", err
		}
		return fmt.Sprintf("%d segments", len(left)), nil
	}
	for range 2 {
		err := flow.Wait(ctx, flow.Waiting{For: "the commit log", Limit: n.flushing.Settle / 2, Every: pollEvery}, look)
		if !errors.Is(err, flow.ErrLimit) {
			return left, err
		}
		if err := n.cassandra.flush(ctx, n.flushing.Keyspaces); err != nil {
			return nil, n.flushFailed(err)
		}
	}
	return left, nil
}

// checkRemembered refuses while the failure of an earlier run is not made good: the commit
// log still has a segment from before it, so the node did not restart.
func (n *node) checkRemembered() error {
	var failed flushFailure
	found, err := ledger.ReadIfThere(n.Files(), n.flushFailedPath(), &failed)
	if err != nil || !found {
		return err
	}
	segments, err := n.segments()
	if err != nil {
		return err
	}
	if len(segments) > 0 && segments[0] < failed.Time.UnixMilli() {
		return &wire.Error{Kind: wire.KindRefused, Message: fmt.Sprintf("a flush failed at %s, and Cassandra goes on as if nothing had happened (disk_failure_policy): "+
			"its rows are in no SSTable, and so not in the backup, though reads show them; restart the node, which replays its commit log", failed.Time.Format(time.RFC3339))}
	}
	return n.Files().Remove(n.flushFailedPath())
}
