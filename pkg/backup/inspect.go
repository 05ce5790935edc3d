package backup

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/ring"
)

// NodeStatus is what lies on one node's volume.
type NodeStatus struct {
	Name string `json:"name"`
	// Problem says why the volume could not be read; the rest is empty then.
	Problem string `json:"problem,omitempty"`
	ledger.Volume
}

// Status reads what lies on every volume. It needs no running Cassandra and
// changes nothing. Nodes that cannot be reached are listed with their problems;
// where none can be, that is the error, beside the nodes.
func Status(ctx context.Context, target ring.Target) ([]NodeStatus, error) {
	c, volumes, unreachable, err := ring.Look(ctx, target)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	nodes := make([]NodeStatus, 0, len(volumes)+len(unreachable))
	for _, v := range volumes {
		nodes = append(nodes, NodeStatus{Name: v.Node, Volume: v})
	}
	for _, n := range unreachable {
		nodes = append(nodes, NodeStatus{Name: n.Name, Problem: n.Problem})
	}
	sort.Slice(nodes, func(i, j int) bool { return nodes[i].Name < nodes[j].Name })
	return nodes, nothingRead(nodes)
}

// nothingRead is the error of nodes of which none could be read.
func nothingRead(nodes []NodeStatus) error {
	var problems []error
	for _, n := range nodes {
		if n.Problem == "" {
			return nil
		}
		problems = append(problems, fmt.Errorf("node %s: %s", n.Name, n.Problem))
	}
	return flow.Fail(flow.Precondition, errors.Join(problems...))
}

// Listed is a backup as all volumes together show it.
type Listed struct {
	ID string `json:"id"`
	// Complete is true when every volume has it with COMPLETE.
	Complete bool     `json:"complete"`
	Nodes    []string `json:"nodes"`
	// Volumes is "own" where the backup was made on these volumes, "restored"
	// where they are copies, "unknown" where nothing tells, "mixed" where nodes differ.
	Volumes string `json:"volumes"`
	// WindowMS is how long its snapshots took, from the first start to the last end.
	WindowMS float64  `json:"windowMs,omitempty"`
	Problems []string `json:"problems,omitempty"`
}

// List sums up the backups of a status.
func List(nodes []NodeStatus) []Listed {
	byID := map[string]*Listed{}
	complete := map[string]int{}
	for _, n := range nodes {
		for _, b := range n.Backups {
			l := byID[b.ID]
			if l == nil {
				l = &Listed{ID: b.ID}
				byID[b.ID] = l
			}
			l.Nodes = append(l.Nodes, n.Name)
			l.Volumes = mixed(l.Volumes, ledger.OriginOf(b, n.Volume))
			l.WindowMS = max(l.WindowMS, b.WindowMS)
			if b.Complete {
				complete[b.ID]++
			}
			if b.Problem != "" {
				l.Problems = append(l.Problems, n.Name+": "+b.Problem)
			}
		}
	}
	list := make([]Listed, 0, len(byID))
	for id, l := range byID {
		for _, n := range nodes {
			if n.Problem != "" {
				l.Problems = append(l.Problems, n.Name+": "+n.Problem)
			}
		}
		l.Complete = complete[id] == len(nodes)
		list = append(list, *l)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].ID < list[j].ID })
	return list
}

func mixed(so string, origin ledger.Origin) string {
	this := map[ledger.Origin]string{ledger.Original: "own", ledger.Copy: "restored", ledger.Unknown: "unknown"}[origin]
	if so != "" && so != this {
		return "mixed"
	}
	return this
}

// Verified is the result of verify.
type Verified struct {
	BackupID string   `json:"backupId"`
	Full     bool     `json:"full"`
	Nodes    []string `json:"nodes"`
	// Tables verified on each node.
	Tables   []int    `json:"tables"`
	Problems []string `json:"problems,omitempty"`
	// NotCovered are files that a full verification has no checksum of.
	NotCovered []string `json:"notCovered,omitempty"`
}

// Verify compares a backup's documents and files on all volumes with each other;
// full reads every byte. It needs no running Cassandra. What can be reached is
// verified; nodes that cannot be are problems and, when there is no other, the error. Without an id
// the one is taken that after-restore would restore.
func Verify(ctx context.Context, target ring.Target, id string, full bool, observer flow.Observer) (*Verified, error) {
	c, volumes, unreachable, err := ring.Look(ctx, target)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if len(c.Sessions) == 0 {
		return nil, ring.Unreachable(unreachable)
	}
	if id, err = ring.ChooseBackup(volumes, id); err != nil {
		return nil, errors.Join(err, ring.Unreachable(unreachable))
	}
	v := &Verified{BackupID: id, Full: full}
	opened, unread, err := ring.AskVisible[wire.OpenResult](ctx, c, wire.OpOpen, wire.OpenArgs{BackupID: id})
	if err != nil && (ctx.Err() != nil || len(opened) == 0) {
		return nil, err
	}
	v.Problems = compareNodes(c.Sessions, opened, len(unreachable)+len(unread) == 0)
	if flow.CodeOf(err) == flow.Corrupt {
		for _, n := range unread {
			v.Problems = append(v.Problems, "node "+n.Name+": "+n.Problem)
		}
	} else {
		unreachable = append(unreachable, unread...)
	}
	args := wire.VerifyArgs{BackupID: id, Full: full}
	results, err := ring.CallProgress[wire.VerifyResult](ctx, c.Sessions, wire.OpVerify, func(int) any { return args }, func(done, total int) {
		observer.Progress(fmt.Sprintf("verified %d of %d tables", done, total))
	})
	if err != nil {
		return nil, err
	}
	v.add(c.Sessions, results)
	corrupt := len(v.Problems) > 0
	for _, n := range unreachable {
		v.Problems = append(v.Problems, "node "+n.Name+" is not verified: "+n.Problem)
	}
	if corrupt {
		return v, flow.Fail(flow.Corrupt, errors.New(strings.Join(v.Problems, "\n")))
	}
	return v, ring.Unreachable(unreachable)
}

// add adds what the nodes found.
func (v *Verified) add(sessions []*ring.Session, results []wire.VerifyResult) {
	for i, r := range results {
		name := sessions[i].Node.Name
		v.Nodes, v.Tables = append(v.Nodes, name), append(v.Tables, r.Tables)
		for _, f := range r.NotCovered {
			v.NotCovered = append(v.NotCovered, "node "+name+": "+f)
		}
		for _, p := range r.Problems {
			v.Problems = append(v.Problems, "node "+name+": "+p)
		}
	}
}

// compareNodes makes sure that all volumes hold one backup, and that all nodes
// of it are there where all could be reached.
func compareNodes(sessions []*ring.Session, opened []wire.OpenResult, all bool) []string {
	var problems []string
	hosts := map[string]bool{}
	for i, o := range opened {
		if o.CompleteDigest != opened[0].CompleteDigest {
			problems = append(problems, fmt.Sprintf("node %s: its COMPLETE differs from that of node %s", sessions[i].Node.Name, sessions[0].Node.Name))
		}
		hosts[o.Member.HostID] = true
	}
	for host := range opened[0].Complete.Nodes {
		if all && !hosts[host] {
			problems = append(problems, fmt.Sprintf("the backup includes a node with host id %s, but its volume is missing", host))
		}
	}
	return problems
}
