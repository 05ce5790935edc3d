package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ring"
)

// stamp is when a node's snapshot started and ended, by the executor's clock.
type stamp struct {
	started, ended time.Time
}

// barrier readies every node, releases them together, and measures how far apart
// their snapshots were.
func (b *before) barrier(ctx context.Context) error {
	ready := make(chan struct{}, len(b.Sessions))
	failed := make(chan struct{}, len(b.Sessions))
	stamps := make([]stamp, len(b.Sessions))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	released := make(chan error, 1)
	go func() { released <- b.releaseWhenReady(ctx, ready, failed, cancel) }()
	results, err := ring.Each(b.Sessions, func(i int, s *ring.Session) (wire.SnapshotResult, error) {
		var r wire.SnapshotResult
		args := wire.SnapshotArgs{Tag: b.id, Tables: b.described.tables, Wait: b.opts.Wait}
		err := s.CallEvents(ctx, wire.OpSnapshot, args, &r, func(e wire.Event) {
			switch e.Kind {
			case wire.EventReady:
				ready <- struct{}{}
			case wire.EventStarted:
				stamps[i].started = time.Now()
			case wire.EventFinished:
				stamps[i].ended = time.Now()
			}
		})
		if err != nil {
			failed <- struct{}{}
		}
		return r, err
	})
	if err = errors.Join(err, <-released); err != nil {
		return err
	}
	b.results = results
	b.described.skew = skewOf(stamps)
	return nil
}

// releaseWhenReady releases all nodes once all are ready. When one fails before,
// those that wait behind the barrier are given up: their sessions end with the
// flow, and their snapshot was never begun.
func (b *before) releaseWhenReady(ctx context.Context, ready, failed <-chan struct{}, cancel context.CancelCauseFunc) error {
	for range b.Sessions {
		select {
		case <-ready:
		case <-failed:
			cancel(errors.New("another node was not ready"))
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for _, s := range b.Sessions {
		if err := s.Go(); err != nil {
			cancel(fmt.Errorf("release node %s: %w", s.Node.Name, err))
			return err
		}
	}
	return nil
}

func skewOf(stamps []stamp) document.Skew {
	first, last, end := stamps[0].started, stamps[0].started, stamps[0].ended
	for _, s := range stamps[1:] {
		if s.started.Before(first) {
			first = s.started
		}
		if s.started.After(last) {
			last = s.started
		}
		if s.ended.After(end) {
			end = s.ended
		}
	}
	return document.Skew{StartMS: milliseconds(last.Sub(first)), TotalMS: milliseconds(end.Sub(first))}
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}
