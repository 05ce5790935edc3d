package restore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/restore"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// listing is a ring that lists its nodes only for those who take any of them.
type listing struct {
	known
	err error
}

type known = ring.Nodes

func (l listing) Nodes(context.Context) ([]ring.Node, error) { return nil, l.err }

// crashing has n2 crash, as Kubernetes sees it.
func crashing(target ring.Target) ring.Target {
	all := target.Nodes
	target.Nodes = listing{all, errors.New("pod n2: the container cassandra is crashing")}
	target.Visible = func(ctx context.Context) ([]ring.Node, error) {
		nodes, err := all.Nodes(ctx)
		nodes[1].Problem = "the container cassandra is crashing"
		return nodes, err
	}
	return target
}

// TestPlanOfARingThatIsNotWhole says what can be seen, names what cannot, and is no
// success.
func TestPlanOfARingThatIsNotWhole(t *testing.T) {
	t.Parallel()
	p := pointOf(t)
	target := func(r *ringtest.Ring) ring.Target { return r.Target() }
	for _, tt := range []struct {
		name   string
		target func(r *ringtest.Ring) ring.Target
		fault  func(c ringtest.Call) bool
		seen   []string
		error  string
	}{
		{"a pod that crashes", func(r *ringtest.Ring) ring.Target { return crashing(r.Target()) }, nil, []string{"n1"}, "pod n2: the container cassandra is crashing"},
		{"a node that cannot be reached", target, func(c ringtest.Call) bool { return c.Kind == ringtest.Exec && c.Node == "n2" }, []string{"n1"}, "node n2: "},
		{"no node that can be reached", target, func(c ringtest.Call) bool { return c.Kind == ringtest.Exec }, nil, "node n1: "},
		{"Cassandra does not answer", target, func(c ringtest.Call) bool { return c.Kind == ringtest.Agent && c.What == "facts" && c.Node == "n2" }, []string{"n1", "n2"}, "node n2: "},
		{"no login", target, func(c ringtest.Call) bool { return c.Kind == ringtest.CQL }, []string{"n1", "n2"}, "made to fail"},
		{"a volume that cannot be read", target, func(c ringtest.Call) bool { return c.Kind == ringtest.Agent && c.What == "inspect" && c.Node == "n1" }, []string{"n2"}, "node n1: "},
		{"documents that cannot be read", target, func(c ringtest.Call) bool {
			return c.Kind == ringtest.Agent && (c.What == "facts" || c.What == "open" && c.Node == "n1")
		}, []string{"n2"}, "node n1: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := p.back(t)
			whole, err := restore.MakePlan(t.Context(), r.Target(), options, &ringtest.Steps{})
			require.NoError(t, err)
			require.Empty(t, whole.Visible)
			if tt.fault != nil {
				r.OnCall(func(c ringtest.Call) ringtest.Fault {
					if tt.fault(c) {
						return ringtest.Refuse
					}
					return ringtest.None
				})
			}
			plan, err := restore.MakePlan(t.Context(), tt.target(r), options, &ringtest.Steps{})
			require.ErrorContains(t, err, tt.error)
			require.Equal(t, flow.Precondition, flow.CodeOf(err))
			require.Len(t, plan.Visible, 2)
			var seen []string
			for i, n := range plan.Visible {
				require.Equal(t, []string{"n1", "n2"}[i], n.Name)
				if n.Problem != "" {
					require.Empty(t, n.Action)
					continue
				}
				seen = append(seen, n.Name)
				require.Equal(t, []string{whole.BackupID}, n.Backups)
				require.Equal(t, "copy", n.Volume)
				require.Equal(t, string(ledger.Begin), n.Action)
				require.Equal(t, len(whole.Tables), n.Tables)
				require.Equal(t, []int{whole.Tables[0].SSTables[i] + whole.Tables[1].SSTables[i], 2}, []int{n.SSTables, n.Tables})
				require.Positive(t, n.Bytes)
			}
			require.Equal(t, tt.seen, seen)
			if seen != nil {
				require.Equal(t, whole.BackupID, plan.BackupID)
			}
		})
	}
}

// TestPlanVisibleKnowsWhatWasDone: of the very tables that are asked for.
func TestPlanVisibleKnowsWhatWasDone(t *testing.T) {
	t.Parallel()
	r := pointOf(t).back(t)
	part := options
	part.Include = []string{"shop.orders"}
	_, err := restore.Online(t.Context(), r.Target(), part, &ringtest.Steps{})
	require.NoError(t, err)
	part.Include = []string{"shop.order*"}
	for _, tt := range []struct {
		name   string
		opts   restore.Options
		action ledger.Action
		tables int
	}{
		{"the same part", part, ledger.Nothing, 1},
		{"another part", restore.Options{Include: []string{"shop.users"}}, ledger.Begin, 1},
		{"everything", restore.Options{}, ledger.Begin, 2},
		{"the same part again", restore.Options{Include: part.Include, Again: true}, ledger.Begin, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan, err := restore.MakePlan(t.Context(), crashing(r.Target()), tt.opts, &ringtest.Steps{})
			require.Equal(t, flow.Precondition, flow.CodeOf(err))
			require.Equal(t, string(tt.action), plan.Visible[0].Action)
			require.Equal(t, tt.tables, plan.Visible[0].Tables)
			require.Equal(t, "the container cassandra is crashing", plan.Visible[1].Problem)
		})
	}
	plan, err := restore.MakePlan(t.Context(), crashing(r.Target()), restore.Options{Backup: "casshook-20200101T000000Z-0000"}, &ringtest.Steps{})
	require.ErrorContains(t, err, "is not on the volumes")
	require.Len(t, plan.Visible[0].Backups, 1, "what there is")
}

// TestPlanOfAStoppedRingThatIsNotWhole: one volume that the cleaner cannot look at does
// not hide the others.
func TestPlanOfAStoppedRingThatIsNotWhole(t *testing.T) {
	t.Parallel()
	r := pointOf(t).back(t)
	r.Stop()
	id := r.Backups()[0]
	path := filepath.Join(document.BackupDir(r.Root("n2"), id), document.CompleteFile)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	plan, err := restore.MakeOfflinePlan(t.Context(), r.Target(), options, &ringtest.Steps{})
	require.ErrorContains(t, err, "node n2: ")
	require.Equal(t, flow.Corrupt, flow.CodeOf(err))
	require.Len(t, plan.Visible, 2)
	require.Equal(t, restore.VisibleNode{Name: "n1", Backups: []string{id}, Volume: "copy", Action: string(ledger.Place), Tables: plan.Visible[0].Tables, Bytes: plan.Visible[0].Bytes}, plan.Visible[0])
	require.Positive(t, plan.Visible[0].Bytes)
	require.NotEmpty(t, plan.Visible[1].Problem)

	require.NoError(t, os.WriteFile(path, content, 0o600))
	r.OnCall(func(c ringtest.Call) ringtest.Fault {
		if c.Kind == ringtest.Stopped && c.What == "nodes" {
			return ringtest.Refuse
		}
		return ringtest.None
	})
	target := r.Target()
	target.Visible = func(context.Context) ([]ring.Node, error) {
		return []ring.Node{{Node: wire.Node{Name: "n1"}, Problem: "stopped: no pod"}, {Node: wire.Node{Name: "n2"}, Problem: "stopped: no pod"}}, nil
	}
	plan, err = restore.MakeOfflinePlan(t.Context(), target, options, &ringtest.Steps{})
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.Len(t, plan.Visible, 2, "no pod of a stopped ring can be reached")
	require.NotEmpty(t, plan.Visible[0].Problem)
	r.OnCall(nil)
	plan, err = restore.MakeOfflinePlan(t.Context(), r.Target(), options, &ringtest.Steps{})
	require.NoError(t, err)
	require.Empty(t, plan.Visible)
	require.Len(t, plan.Results, 2)
}
