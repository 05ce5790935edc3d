package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"
)

// kind is what a record describes, and the name of the directory with the subvolumes of that kind.
type kind string

const (
	volumes   kind = "vols"
	snapshots kind = "snaps"
)

func kinds() []kind { return []kind{volumes, snapshots} }

// What the pool says when it cannot do what is asked; answer turns these into codes of the CSI specification.
var (
	errAbsent = errors.New("not there")
	errTaken  = errors.New("the name is taken by another one")
	errBusy   = errors.New("still mounted")
	errRange  = errors.New("size out of range")
)

// A name becomes an id and a file name as it is. kubelet and the snapshotter use "pvc-" or "snapshot-" and a UID.
var safeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// subvolumes is what the pool needs of btrfs. None of it is idempotent.
type subvolumes interface {
	// Create makes an empty subvolume.
	Create(ctx context.Context, path string) error
	// Snapshot makes target a copy of source as it is at one moment.
	Snapshot(ctx context.Context, source, target string, readOnly bool) error
	// Delete removes a subvolume and all that is in it.
	Delete(ctx context.Context, path string) error
}

// pool keeps volumes and snapshots as subvolumes of one btrfs file system:
//
//	vols/ID  snaps/ID             the subvolumes
//	meta/vols/ID.json  meta/snaps/ID.json   one record for each
//	lock                          flock of the driver that serves the pool
//
// The record is what counts. It is written after its subvolume and removed before it, so a subvolume without a record is the
// rest of a creation or a deletion that was cut short, and nobody has ever used it or will.
type pool struct {
	dir    string
	sub    subvolumes
	mounts mounter
	log    *slog.Logger
	lock   *os.File

	mu sync.Mutex // one change at a time
}

// openPool takes the pool for this process alone and removes leftovers of one that was killed.
func openPool(ctx context.Context, dir string, sub subvolumes, mounts mounter, log *slog.Logger) (*pool, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", err)
	}
	p := &pool{dir: dir, sub: sub, mounts: mounts, log: log}
	if p.lock, err = lockFile(filepath.Join(dir, "lock")); err != nil {
		return nil, fmt.Errorf("open pool %s: %w", dir, err)
	}
	if err := p.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open pool %s: %w", dir, err), p.close())
	}
	return p, nil
}

// lockFile takes an exclusive flock without waiting. The kernel drops it with the process.
func lockFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("lock %s: %w: is another driver running on this pool?", path, err)
	}
	return file, nil
}

func (p *pool) close() error { return p.lock.Close() }

func (p *pool) prepare(ctx context.Context) error {
	if err := p.refuseWithoutRecords(); err != nil {
		return err
	}
	for _, k := range kinds() {
		for _, dir := range []string{p.path(k, ""), p.records(k)} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
		if err := p.sweep(ctx, k); err != nil {
			return fmt.Errorf("clear leftovers in %s: %w", k, err)
		}
	}
	return nil
}

// refuseWithoutRecords keeps a pool whose records were lost from being taken for one full of leftovers.
func (p *pool) refuseWithoutRecords() error {
	if exists(filepath.Join(p.dir, "meta")) {
		return nil
	}
	for _, k := range kinds() {
		entries, err := os.ReadDir(p.path(k, ""))
		if err == nil && len(entries) > 0 {
			return fmt.Errorf("%s holds %d entries, but there are no records in meta: restore meta, or empty the pool", k, len(entries))
		}
	}
	return nil
}

func (p *pool) path(k kind, id string) string { return filepath.Join(p.dir, string(k), id) }

// find returns errAbsent unless both record and subvolume are there.
func (p *pool) find(k kind, id string) (record, error) {
	if !safeName.MatchString(id) {
		return record{}, fmt.Errorf("%s %q: %w", k, id, errAbsent)
	}
	r, err := p.load(k, id)
	if err != nil {
		return record{}, err
	}
	if !exists(p.path(k, id)) {
		return record{}, fmt.Errorf("%s %s: its subvolume: %w", k, id, errAbsent)
	}
	return r, nil
}

// createVolume makes what is asked for, or returns what is there already when it is that.
func (p *pool) createVolume(ctx context.Context, want wanted) (record, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	have, err := p.find(volumes, want.name)
	if err == nil {
		return have, want.compare(have)
	}
	if !errors.Is(err, errAbsent) {
		return record{}, err
	}
	r := record{ID: want.name, Source: want.source, Size: want.least, Created: time.Now().UTC()}
	if want.source == (origin{}) {
		return r, p.add(ctx, volumes, r, func(path string) error {
			if err := p.sub.Create(ctx, path); err != nil {
				return err
			}
			return os.Chmod(path, 0o777) // until kubelet applies a pod's fsGroup, whoever runs there must be able to write
		})
	}
	source, err := p.find(want.source.Kind, want.source.ID)
	if err != nil {
		return record{}, err
	}
	if r.Size, err = want.sizeFor(source); err != nil {
		return record{}, err
	}
	return r, p.add(ctx, volumes, r, func(path string) error {
		return p.sub.Snapshot(ctx, p.path(want.source.Kind, source.ID), path, false)
	})
}

// createSnapshot freezes a volume, or returns the snapshot of that name when it is one of that volume.
func (p *pool) createSnapshot(ctx context.Context, name, volume string) (record, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	source := origin{Kind: volumes, ID: volume}
	have, err := p.find(snapshots, name)
	if err == nil {
		if have.Source != source {
			return record{}, fmt.Errorf("snapshot %s of %s: %w", name, have.Source.ID, errTaken)
		}
		return have, nil
	}
	if !errors.Is(err, errAbsent) {
		return record{}, err
	}
	v, err := p.find(volumes, volume)
	if err != nil {
		return record{}, err
	}
	r := record{ID: name, Source: source, Size: v.Size, Created: time.Now().UTC()}
	return r, p.add(ctx, snapshots, r, func(path string) error {
		return p.sub.Snapshot(ctx, p.path(volumes, volume), path, true)
	})
}

// add makes a subvolume and then its record. What a former try left under that name goes first.
func (p *pool) add(ctx context.Context, k kind, r record, create func(path string) error) error {
	path := p.path(k, r.ID)
	if err := p.discard(ctx, k, r.ID); err != nil {
		return err
	}
	if err := create(path); err != nil {
		return fmt.Errorf("create %s %s: %w", k, r.ID, err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("create %s %s: %w", k, r.ID, err)
	}
	return p.save(k, r)
}

// remove deletes record and subvolume. What is not there is no error; what is mounted is errBusy.
func (p *pool) remove(ctx context.Context, k kind, id string) error {
	if !safeName.MatchString(id) {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.idle(k, id); err != nil {
		return err
	}
	if err := p.forget(k, id); err != nil {
		return err
	}
	return p.discard(ctx, k, id)
}

// idle is errBusy while the subvolume or a part of it is mounted: deleting it would take the mount away under its user.
func (p *pool) idle(k kind, id string) error {
	table, err := p.mounts.List()
	if err != nil {
		return err
	}
	if users := table.of(p.path(k, id)); len(users) > 0 {
		return fmt.Errorf("%s %s is on %s: %w", k, id, users[0].point, errBusy)
	}
	return nil
}

// discard deletes a subvolume if it is there.
func (p *pool) discard(ctx context.Context, k kind, id string) error {
	if !exists(p.path(k, id)) {
		return nil
	}
	if err := p.idle(k, id); err != nil {
		return err
	}
	if err := p.sub.Delete(ctx, p.path(k, id)); err != nil {
		return fmt.Errorf("delete %s %s: %w", k, id, err)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
