package zoo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Damage does to a zoo what happens between a backup and the day it is needed:
// later rows, overwritten and deleted rows and increments in nearly all tables,
// then changes to schema, roles and grants. It returns what it did in words.
// Nothing is flushed: part of the damage is in memtables and commit logs only.
// Untouched by design are zoo.leveled (rows) and select.table, so that a test
// also sees content that a restore could have left alone.
func Damage(ctx context.Context, o Options) ([]string, error) {
	b, err := newBuilder(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("damage zoo: %w", err)
	}
	if err := b.laterWrites(ctx); err != nil {
		return nil, fmt.Errorf("damage zoo: later writes: %w", err)
	}
	done := []string{"wrote, overwrote and deleted rows, or incremented counters, in nearly all tables"}
	run := b.file("damage.cql", func(ctx context.Context, s statement) error {
		done = append(done, s.words)
		err := b.each(ctx, s)
		// A role that was just created gets no other password for five seconds (5.0).
		for range 20 {
			if err == nil || !strings.Contains(err.Error(), "can only be changed every") {
				break
			}
			select {
			case <-time.After(500 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
			err = b.each(ctx, s)
		}
		return err
	})
	if err := run(ctx); err != nil {
		return done, fmt.Errorf("damage zoo: %w", err)
	}
	if err := b.agree(ctx); err != nil {
		return done, fmt.Errorf("damage zoo: %w", err)
	}
	return done, nil
}

// laterWrites changes the generated tables with timestamps of now.
func (b *builder) laterWrites(ctx context.Context) error {
	c, err := readCatalog(ctx, b.Session)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for _, t := range generated(c) {
		if name := t.String(); name == "zoo.leveled" || name == "select.table" {
			continue
		}
		group.Go(func() error {
			statements, err := b.later(c, t)
			if err != nil {
				return err
			}
			return send(ctx, b.Session, t, statements)
		})
	}
	return group.Wait()
}

// later are the statements for one table: three rows changed, one deleted,
// four new. A counter cannot be deleted and used again, so it only counts.
func (b *builder) later(c *catalog, t table) ([]string, error) {
	now := time.Now().UnixMicro()
	var statements []string
	for _, i := range []int{0, 1, 2, 700, 701, 702, 703} {
		cql, err := c.write(t, rowOf{index: i, shift: 40, timestamp: now})
		if err != nil {
			return nil, err
		}
		statements = append(statements, cql)
	}
	if t.counter() {
		return statements, nil
	}
	cql, err := c.remove(t, rowOf{index: 4, timestamp: now})
	return append(statements, cql), err
}
