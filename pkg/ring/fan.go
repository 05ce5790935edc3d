package ring

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/casshook/casshook/pkg/agent/wire"
)

// OpenAll opens sessions with all nodes, some at a time. When one fails, the others
// are closed and every error is reported.
func OpenAll(ctx context.Context, target Exec, nodes []Node) ([]*Session, error) {
	sessions := make([]*Session, len(nodes))
	errs := make([]error, len(nodes))
	openEach(nodes, func(i int) { sessions[i], errs[i] = OpenSession(ctx, target, nodes[i]) })
	if err := errors.Join(errs...); err != nil {
		CloseAll(sessions)
		return nil, err
	}
	return sessions, nil
}

// openEach calls open for all nodes, for openAtOnce of them at a time.
func openEach(nodes []Node, open func(i int)) {
	var group errgroup.Group
	group.SetLimit(openAtOnce)
	for i := range nodes {
		group.Go(func() error {
			open(i)
			return nil
		})
	}
	_ = group.Wait() // no error is given
}

// CloseAll closes sessions, all at once; nil ones are passed over.
func CloseAll(sessions []*Session) {
	var wg sync.WaitGroup
	for _, s := range sessions {
		if s != nil {
			wg.Add(1)
			go func() { defer wg.Done(); s.Close() }()
		}
	}
	wg.Wait()
}

// Each runs f for all sessions at once and joins the errors of all nodes: a
// failure at one node does not cancel the others, which end what they began.
func Each[R any](sessions []*Session, f func(i int, s *Session) (R, error)) ([]R, error) {
	results := make([]R, len(sessions))
	errs := make([]error, len(sessions))
	var wg sync.WaitGroup
	for i, s := range sessions {
		wg.Add(1)
		go func() {
			defer wg.Done()
			results[i], errs[i] = f(i, s)
		}()
	}
	wg.Wait()
	return results, errors.Join(errs...)
}

// CallAll sends the same request to all nodes at once.
func CallAll[R any](ctx context.Context, sessions []*Session, op string, args any) ([]R, error) {
	return Each(sessions, func(_ int, s *Session) (R, error) {
		var r R
		err := s.Call(ctx, op, args, &r)
		return r, err
	})
}

// CallProgress is CallAll with progress: report is told the sums over all nodes.
func CallProgress[R any](ctx context.Context, sessions []*Session, op string, argsOf func(i int) any, report func(done, total int)) ([]R, error) {
	var mu sync.Mutex
	dones, totals := make([]int, len(sessions)), make([]int, len(sessions))
	return Each(sessions, func(i int, s *Session) (R, error) {
		var r R
		err := s.CallEvents(ctx, op, argsOf(i), &r, func(e wire.Event) {
			mu.Lock()
			defer mu.Unlock()
			dones[i], totals[i] = e.Done, e.Total
			report(sum(dones), sum(totals))
		})
		return r, err
	})
}

func sum(ns []int) int {
	total := 0
	for _, n := range ns {
		total += n
	}
	return total
}
