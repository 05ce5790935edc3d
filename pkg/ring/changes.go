package ring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
)

// ErrChanged tells that the ring is no longer what ReadRing read.
var ErrChanged = errors.New("the ring changed")

// Changes says how the members of a ring changed: nodes that joined, left, moved or were
// replaced, or came up with another version.
func Changes(was, now []document.Member) []string {
	var changes []string
	say := func(m document.Member, format string, args ...any) {
		changes = append(changes, fmt.Sprintf("node %s (host id %s) ", m.Address, m.HostID)+fmt.Sprintf(format, args...))
	}
	for _, w := range was {
		n := slices.IndexFunc(now, func(m document.Member) bool { return m.HostID == w.HostID })
		if n < 0 {
			say(w, "is gone")
			continue
		}
		switch m := now[n]; {
		case !slices.Equal(sorted(w.Tokens), sorted(m.Tokens)):
			say(m, "has other tokens")
		case w.Datacenter != m.Datacenter || w.Rack != m.Rack:
			say(m, "is in %s/%s, was in %s/%s", m.Datacenter, m.Rack, w.Datacenter, w.Rack)
		case w.Release != m.Release:
			say(m, "runs Cassandra %s, ran %s", m.Release, w.Release)
		case w.Address != m.Address:
			say(m, "had the address %s", w.Address)
		}
	}
	for _, m := range now {
		if !slices.ContainsFunc(was, func(w document.Member) bool { return w.HostID == m.HostID }) {
			say(m, "is new")
		}
	}
	return changes
}

// Unchanged compares the ring with what was read of it, as the system tables show it: the
// error wraps ErrChanged and says what changed. Whoever goes on reads the ring again.
func (c *Cluster) Unchanged(ctx context.Context) error {
	r, err := c.CQL.Ring(ctx)
	if err != nil {
		return err
	}
	return changed(Changes(c.View.Members, r.Members), nil)
}

// ReadAgain reads the ring again and checks it as ReadRing does, once, with the sessions
// and their order as they are.
func (c *Cluster) ReadAgain(ctx context.Context) error {
	v, err := c.look(ctx)
	if err != nil {
		return err
	}
	if err := v.Check(c.Target.ClusterName); err != nil {
		return flow.Fail(flow.Precondition, changed(Changes(c.View.Members, v.Members), err))
	}
	c.View = v
	return nil
}

// StillWhole asks every node once more whether the ring is what was read of it, with all
// nodes up and normal.
func (c *Cluster) StillWhole(ctx context.Context) error {
	v, err := c.look(ctx)
	if err != nil {
		return err
	}
	return flow.Fail(flow.Precondition, changed(Changes(c.View.Members, v.Members), v.Check(c.Target.ClusterName)))
}

func (c *Cluster) look(ctx context.Context) (View, error) {
	v := View{Names: c.View.Names}
	var err error
	if v.Facts, err = CallAll[wire.Facts](ctx, c.Sessions, wire.OpFacts, struct{}{}); err != nil {
		return v, fmt.Errorf("%w: %w", ErrChanged, err)
	}
	r, err := c.CQL.Ring(ctx)
	v.ClusterName, v.Members = r.ClusterName, r.Members
	return v, err
}

// changed is the error of changes and of what is wrong; nil where there is neither.
func changed(changes []string, wrong error) error {
	switch {
	case len(changes) == 0 && wrong == nil:
		return nil
	case len(changes) == 0:
		return fmt.Errorf("%w: %w", ErrChanged, wrong)
	case wrong == nil:
		return fmt.Errorf("%w: %s", ErrChanged, strings.Join(changes, "; "))
	}
	return fmt.Errorf("%w: %s: %w", ErrChanged, strings.Join(changes, "; "), wrong)
}
