package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/schema"
)

// write sends the shared documents to every node, which adds its own.
func (b *before) write(ctx context.Context) error {
	members := b.View.Named()
	b.cluster = b.described.cluster(b, members)
	shared, err := b.described.shared(b.cluster)
	if err != nil {
		return err
	}
	byHost := map[string]document.Member{}
	for _, m := range members {
		byHost[m.HostID] = m
	}
	b.written, err = ring.Each(b.Sessions, func(i int, s *ring.Session) (wire.WriteResult, error) {
		var r wire.WriteResult
		err := s.Call(ctx, wire.OpWrite, wire.WriteArgs{
			BackupID: b.id, Member: byHost[b.View.Facts[i].HostID], Start: b.results[i].Start, End: b.results[i].End,
			Tables: b.described.tables, Shared: shared,
		}, &r)
		return r, err
	})
	return err
}

// complete writes COMPLETE on all nodes, only now that all of them wrote and
// verified their documents.
func (b *before) complete(ctx context.Context) error {
	if err := b.StillWhole(ctx); err != nil {
		return fmt.Errorf("while the backup was made, %w; make it again when all nodes are up and none joins, leaves or moves", err)
	}
	shared, err := b.described.shared(b.cluster)
	if err != nil {
		return err
	}
	c := document.Complete{Version: document.Version, BackupID: b.id, Completed: time.Now().UTC(), Shared: map[string]string{}, Nodes: map[string]string{}}
	for name, content := range shared {
		c.Shared[name] = document.SHA256(content)
	}
	for i, w := range b.written {
		c.Nodes[b.View.Facts[i].HostID] = w.Digest
	}
	content, err := document.Encode(c)
	if err != nil {
		return err
	}
	_, err = ring.CallAll[struct{}](ctx, b.Sessions, wire.OpComplete, wire.CompleteArgs{BackupID: b.id, Content: content})
	return err
}

func (b *before) result() *Result {
	r := &Result{BackupID: b.id, Skew: b.cluster.Skew, Tables: len(b.described.tables), Statements: b.CQL.Statements(), Warnings: append(b.described.warnings(), b.warnings...)}
	for i, w := range b.written {
		for _, warning := range w.Warnings {
			r.Warnings = append(r.Warnings, "node "+b.View.Names[i]+": "+warning)
		}
		r.Nodes = append(r.Nodes, NodeResult{Name: b.View.Names[i], HostID: b.View.Facts[i].HostID, SSTables: w.SSTables, Bytes: w.Bytes, Via: b.View.Facts[i].Via})
	}
	return r
}

// parse makes sure that what is written can be read by the restore.
func parse(rows []schema.Row, extras schema.Extras) (*schema.Schema, error) {
	s, err := schema.Parse(rows, extras)
	if err != nil {
		return nil, errors.Join(errors.New("the schema contains statements that a restore could not handle"), err)
	}
	return s, nil
}
