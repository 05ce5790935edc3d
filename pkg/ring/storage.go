package ring

import (
	"context"
	"errors"
	"fmt"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
)

// NodeSettings are settings of one node, which others need not share.
type NodeSettings struct {
	// DataDirs and SystemDir are data_file_directories and
	// local_system_data_file_directory.
	DataDirs  []string
	SystemDir string
	// CommitLog is commitlog_directory.
	CommitLog string
	// DiskFailurePolicy is disk_failure_policy.
	DiskFailurePolicy string
}

// Forgets tells whether the node goes on after a flush that failed: what it could not write
// is then in no later backup, though reads show it.
func (s NodeSettings) Forgets() bool {
	return s.DiskFailurePolicy == "ignore" || s.DiskFailurePolicy == "best_effort"
}

// AskedNode is what a node answered, or why it did not.
type AskedNode struct {
	NodeSettings
	Err error
}

// AskNodes asks every node for its settings, each with a connection of its own: they are
// in virtual tables, which a coordinator reads only of itself.
func (c *Cluster) AskNodes(ctx context.Context) ([]AskedNode, error) {
	nodes := make([]Node, len(c.Sessions))
	asked := make([]AskedNode, len(c.Sessions))
	for i, s := range c.Sessions {
		nodes[i] = s.Node
	}
	openEach(nodes, func(i int) {
		asked[i].NodeSettings, asked[i].Err = c.askNode(ctx, i)
	})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return asked, nil
}

func (c *Cluster) askNode(ctx context.Context, i int) (NodeSettings, error) {
	if i == 0 {
		return c.CQL.NodeSettings(ctx)
	}
	session, err := c.Target.Login(ctx, c.Target.Dialer, c.Sessions[i].Node, c.credentials)
	if err != nil {
		return NodeSettings{}, err
	}
	defer session.Close()
	return session.NodeSettings(ctx)
}

// CheckStorage refuses nodes whose files are not where the target says, before anything is
// made. For a backup, a snapshot of the volume must have them all. Warnings are what could
// not be compared.
func (c *Cluster) CheckStorage(ctx context.Context, asked []AskedNode, backup bool) (warnings []string, err error) {
	tables, err := c.CQL.Tables(ctx)
	if err != nil {
		return nil, err
	}
	results, err := Each(c.Sessions, func(i int, s *Session) (wire.StorageResult, error) {
		args := wire.StorageArgs{DataDirs: asked[i].DataDirs, SystemDir: asked[i].SystemDir, Tables: tables, OnVolume: backup}
		switch {
		case asked[i].Err != nil:
			args.Unknown = asked[i].Err.Error()
		case len(asked[i].DataDirs) == 0:
			args.Unknown = "system_views.settings does not name them"
		}
		var r wire.StorageResult
		err := s.Call(ctx, wire.OpStorage, args, &r)
		return r, err
	})
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	var problems []error
	for i, r := range results {
		for _, p := range r.Problems {
			problems = append(problems, fmt.Errorf("node %s: %s", c.Sessions[i].Node.Name, p))
		}
		for _, n := range r.NotCompared {
			warnings = append(warnings, "node "+c.Sessions[i].Node.Name+": "+n)
		}
	}
	return warnings, flow.Fail(flow.Precondition, errors.Join(problems...))
}
