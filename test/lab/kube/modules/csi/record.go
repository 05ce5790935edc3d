package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	recordSuffix = ".json"
	// tempSuffix marks a record that is being written; no id ends so, since every record ends with recordSuffix.
	tempSuffix = ".tmp"
)

// origin is what a subvolume was made from; the zero value is nothing.
type origin struct {
	Kind kind   `json:"kind,omitempty"`
	ID   string `json:"id,omitempty"`
}

// record describes one subvolume.
type record struct {
	ID     string `json:"id"`
	Source origin `json:"source,omitzero"`
	// Size in bytes is what was asked for. Nothing enforces it.
	Size    int64     `json:"size"`
	Created time.Time `json:"created"`
}

// wanted is a volume that somebody asks for.
type wanted struct {
	name   string
	source origin
	// least and most bytes; 0 leaves them open.
	least, most int64
}

// compare says whether a volume that is there is the one asked for.
func (w wanted) compare(have record) error {
	if have.Source != w.source {
		return fmt.Errorf("volume %s was made from %+v: %w", w.name, have.Source, errTaken)
	}
	if have.Size < w.least || (w.most > 0 && have.Size > w.most) {
		return fmt.Errorf("volume %s has %d bytes: %w", w.name, have.Size, errTaken)
	}
	return nil
}

// sizeFor is the size of a copy: that of its source or more.
func (w wanted) sizeFor(source record) (int64, error) {
	if w.least > 0 && w.least < source.Size {
		return 0, fmt.Errorf("%w: requested %d bytes, its source %s has %d", errRange, w.least, source.ID, source.Size)
	}
	size := max(w.least, source.Size)
	if w.most > 0 && size > w.most {
		return 0, fmt.Errorf("%w: at most %d bytes, its source %s has %d", errRange, w.most, source.ID, source.Size)
	}
	return size, nil
}

func (p *pool) records(k kind) string { return filepath.Join(p.dir, "meta", string(k)) }

func (p *pool) recordFile(k kind, id string) string {
	return filepath.Join(p.records(k), id+recordSuffix)
}

// load returns errAbsent when there is no record.
func (p *pool) load(k kind, id string) (record, error) {
	text, err := os.ReadFile(p.recordFile(k, id))
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, fmt.Errorf("%s %s: %w", k, id, errAbsent)
	}
	if err != nil {
		return record{}, fmt.Errorf("read record: %w", err)
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return record{}, fmt.Errorf("parse %s: %w: remove it and its subvolume by hand", p.recordFile(k, id), err)
	}
	if r.ID != id {
		return record{}, fmt.Errorf("%s is the record of %q", p.recordFile(k, id), r.ID)
	}
	return r, nil
}

// save writes a record so that it is there, whole, after a crash of the machine.
func (p *pool) save(k kind, r record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode record of %s: %w", r.ID, err)
	}
	path := p.recordFile(k, r.ID)
	if err := writeSynced(path+tempSuffix, append(text, '\n')); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	if err := os.Rename(path+tempSuffix, path); err != nil {
		return fmt.Errorf("place record: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// forget removes a record for good, if it is there.
func (p *pool) forget(k kind, id string) error {
	if err := os.Remove(p.recordFile(k, id)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("remove record: %w", err)
	}
	return syncDir(p.records(k))
}

// list returns the records of all that is there, in the order of their ids.
func (p *pool) list(k kind) ([]record, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	entries, err := os.ReadDir(p.records(k))
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	var found []record
	for _, entry := range entries {
		id, ok := strings.CutSuffix(entry.Name(), recordSuffix)
		if !ok {
			continue
		}
		r, err := p.find(k, id)
		if errors.Is(err, errAbsent) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, nil
}

// sweep removes what a process that was killed left: records half written, subvolumes without a record, and records whose
// subvolume is gone. A record that cannot be read is an error, never a leftover.
func (p *pool) sweep(ctx context.Context, k kind) error {
	entries, err := os.ReadDir(p.records(k))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		id, whole := strings.CutSuffix(entry.Name(), recordSuffix)
		if !whole {
			if err := p.sweepFile(k, entry.Name()); err != nil {
				return err
			}
			continue
		}
		_, err := p.find(k, id)
		if errors.Is(err, errAbsent) {
			p.log.Warn("removing the record of a lost subvolume", "kind", k, "id", id)
			err = p.forget(k, id)
		}
		if err != nil {
			return err
		}
	}
	return p.sweepSubvolumes(ctx, k)
}

func (p *pool) sweepFile(k kind, name string) error {
	if !strings.HasSuffix(name, recordSuffix+tempSuffix) {
		return fmt.Errorf("%s is not a record: move it away", filepath.Join(p.records(k), name))
	}
	p.log.Warn("removing a record that was never finished", "kind", k, "file", name)
	return os.Remove(filepath.Join(p.records(k), name))
}

func (p *pool) sweepSubvolumes(ctx context.Context, k kind) error {
	entries, err := os.ReadDir(p.path(k, ""))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		id := entry.Name()
		if exists(p.recordFile(k, id)) {
			continue
		}
		p.log.Warn("deleting a subvolume without a record", "kind", k, "id", id)
		if err := p.discard(ctx, k, id); err != nil {
			return err
		}
	}
	return nil
}

func writeSynced(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Sync(), file.Close())
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
