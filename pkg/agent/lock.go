package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
)

const lockFile = "lock.json"

func (n *node) lockPath() string { return filepath.Join(n.Dir(), lockFile) }

// readLock reads the lock file; one that came along with a copy of the volume,
// or that cannot be read, is nobody's.
func (n *node) readLock() (*ledger.Lock, error) {
	content, err := document.ReadFile(n.Files(), n.lockPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var l ledger.Lock
	if err := json.Unmarshal(content, &l); err != nil {
		return nil, nil //nolint:nilerr // written atomically: not ours
	}
	volume, err := n.Identified()
	if err != nil || volume.Elsewhere(l.Volume) {
		return nil, err
	}
	l.Dead = false
	return &l, nil
}

func (n *node) writeLock(l ledger.Lock) error {
	content, err := document.Encode(l)
	if err != nil {
		return err
	}
	return document.WriteFile(n.Files(), n.lockPath(), content)
}

// lock acquires, parks or releases the lock file of the volume; all of it is
// idempotent for one holder. A lock file that is not parked and whose holder has
// no agent any more belongs to a dead run and is taken over.
//
// The flock is kept only with the lock: an agent that was refused it, or gave it
// back, may change nothing and is in nobody's way.
func (n *node) lock(_ context.Context, _ call, args wire.LockArgs) (none, error) {
	had := n.Held()
	if err := n.Hold(); err != nil {
		return none{}, err
	}
	keep, err := n.actOnLock(args, had)
	if !keep {
		n.Close()
	}
	return none{}, err
}

// actOnLock reports whether the flock is kept; had says whether it was there.
func (n *node) actOnLock(args wire.LockArgs, had bool) (keep bool, err error) {
	held, err := n.readLock()
	if err != nil {
		return had, err
	}
	mine := held != nil && held.Holder == args.Holder
	switch args.Action {
	case wire.LockAcquire:
		err := n.acquire(held, args)
		return err == nil || had, err
	case wire.LockPark:
		if !mine {
			return had, &wire.Error{Kind: wire.KindLocked, Message: fmt.Sprintf("the lock on %s is held by another process", n.Volume)}
		}
		held.Since, held.Parked, held.BackupID = time.Now().UTC(), true, args.BackupID
		return had, n.writeLock(*held)
	case wire.LockRelease:
		if !mine {
			return had, nil
		}
		err := n.Files().Remove(n.lockPath())
		return err != nil && had, err
	}
	return had, fmt.Errorf("unknown lock action %q", args.Action)
}

func (n *node) acquire(held *ledger.Lock, args wire.LockArgs) error {
	now := time.Now().UTC()
	if held != nil && held.Keeps(args.Holder, args.ParkedFor, now) {
		return &wire.Error{Kind: wire.KindLocked, Message: fmt.Sprintf("%s is kept by %s of %s since %s, for at least %s",
			n.Volume, held.Operation, held.Holder, held.Since.Format(time.RFC3339), args.ParkedFor)}
	}
	if n.VolumeID == "" { // the lock names the volume that it was written on
		if err := document.MarkVolume(n.Files(), n.Volume); err != nil {
			return err
		}
	}
	identity, err := n.Identity()
	if err != nil {
		return err
	}
	return n.writeLock(ledger.Lock{Holder: args.Holder, Operation: args.Operation, BackupID: args.BackupID, Volume: identity, Since: now})
}
