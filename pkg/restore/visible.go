package restore

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/schema"
)

// VisibleNode is what can be seen of one node of a ring that is not whole.
type VisibleNode struct {
	Name string `json:"name"`
	// Problem says why the node or its documents cannot be read; the rest is empty then.
	Problem string `json:"problem,omitempty"`
	// Backups are all that are on the volume, by their ids.
	Backups []string `json:"backups,omitempty"`
	// Volume is "copy" where it came back with a restore point, "original", or "unknown".
	Volume string `json:"volume,omitempty"`
	// Stage is how far a restore of the plan's backup came here.
	Stage ledger.Stage `json:"stage,omitzero"`
	// Action is what the rules say for this volume alone.
	Action string `json:"action,omitempty"`
	// Tables, SSTables and Bytes of the backup that would be loaded.
	Tables   int   `json:"tables"`
	SSTables int   `json:"sstables"`
	Bytes    int64 `json:"bytes"`
}

// PlanVisible is the plan of a ring that is not whole, for a reason, which is the error,
// together with what was found wrong beside it. It needs no running Cassandra.
func PlanVisible(ctx context.Context, target ring.Target, opts Options, reason error) (*Plan, error) {
	reason = flow.Fail(flow.Precondition, reason)
	c, volumes, unreachable, err := ring.Look(ctx, target)
	if err != nil {
		if ctx.Err() != nil || err.Error() == reason.Error() {
			return nil, reason
		}
		return nil, errors.Join(reason, err)
	}
	defer c.Close()
	p := &Plan{Objects: []Object{}, Tables: []TablePlan{}, Nodes: []string{}}
	for _, v := range volumes {
		n := VisibleNode{Name: v.Node}
		for _, b := range v.Backups {
			n.Backups = append(n.Backups, b.ID)
		}
		p.Visible = append(p.Visible, n)
	}
	err = p.readVisible(ctx, c, volumes, opts)
	for _, n := range unreachable {
		p.Visible = append(p.Visible, VisibleNode{Name: n.Name, Problem: n.Problem})
	}
	slices.SortFunc(p.Visible, func(a, b VisibleNode) int { return cmp.Compare(a.Name, b.Name) })
	return p, errors.Join(reason, err)
}

// readVisible adds what the documents of the backup say that would be restored, as far
// as the volumes tell.
func (p *Plan) readVisible(ctx context.Context, c *ring.Cluster, volumes []ledger.Volume, opts Options) error {
	if len(volumes) == 0 {
		return nil
	}
	id, err := ring.ChooseBackup(volumes, opts.Backup)
	if err != nil {
		return err
	}
	p.BackupID = id
	opened, _, failure := ring.AskVisible[wire.OpenResult](ctx, c, wire.OpOpen, wire.OpenArgs{BackupID: id})
	if len(opened) == 0 {
		return failure
	}
	tables, scope, err := p.readBackup(id, opened[0], opts)
	if err != nil {
		return errors.Join(failure, err)
	}
	answers := map[string]wire.OpenResult{}
	for i, s := range c.Sessions {
		answers[s.Node.Name] = opened[i]
		p.Nodes = append(p.Nodes, s.Node.Name)
	}
	request := ledger.Request{Operation: ledger.AfterRestore, InPlace: opts.InPlace, Again: opts.Again, Restored: opts.Restored}
	for i, v := range volumes {
		n := &p.Visible[i]
		o, ok := answers[v.Node]
		if !ok {
			n.Problem = "its documents of backup " + id + " cannot be read"
			continue
		}
		b, _ := v.Backup(id)
		state := ledger.StateIn(v, b, scope)
		n.Volume, n.Stage, n.Action = state.Origin.String(), state.Stage, string(ledger.Next(request, state))
		for _, t := range o.Tables {
			if slices.Contains(tables, document.TableName{Keyspace: t.Keyspace, Name: t.Name}) {
				n.Tables, n.SSTables, n.Bytes = n.Tables+1, n.SSTables+t.SSTables, n.Bytes+t.Bytes
			}
		}
	}
	return failure
}

// readBackup reads which tables of the backup would be restored.
func (p *Plan) readBackup(id string, o wire.OpenResult, opts Options) ([]document.TableName, ledger.Scope, error) {
	s := &source{id: id}
	if err := s.decode(o); err != nil {
		return nil, ledger.Scope{}, err
	}
	p.Created = s.cluster.Created
	scope, err := scopeOf(s, opts)
	if err != nil || !scope.Whole {
		return scope.Tables, scope, err
	}
	backup, err := schema.Parse(s.rows, s.cluster.Extras)
	if err != nil {
		return nil, scope, flow.Fail(flow.Corrupt, err)
	}
	_, all, err := schema.Select(backup, schema.CompareOptions{})
	return namesOf(all), scope, flow.Fail(flow.Corrupt, err)
}
