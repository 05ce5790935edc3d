package restore

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/schema"
)

// source is the backup that a restore is of, as all volumes hold it.
type source struct {
	id      string
	cluster document.Cluster
	rows    []schema.Row
	grants  []schema.Grant
	// opened are the documents of each node, in the order of the sessions.
	opened []wire.OpenResult
}

// checkOpened compares what a node answered with the digests in COMPLETE, and its COMPLETE
// with that of the others. Its agent compared them, too, but the statements that are run on
// the whole ring come from these documents.
func (s *source) checkOpened(names []string, i int) error {
	o, first := s.opened[i], s.opened[0]
	var problems []error
	if o.CompleteDigest != first.CompleteDigest || !reflect.DeepEqual(o.Complete, first.Complete) {
		problems = append(problems, fmt.Errorf("node %s: its COMPLETE differs from that of node %s", names[i], names[0]))
	}
	for _, d := range []struct {
		file    string
		content []byte
	}{{document.ClusterFile, o.Cluster}, {document.SchemaFile, o.Schema}, {document.GrantsFile, o.Grants}} {
		if document.SHA256(d.content) != o.Complete.Shared[d.file] {
			problems = append(problems, fmt.Errorf("node %s: %s does not match COMPLETE", names[i], d.file))
		}
	}
	if !slices.ContainsFunc(s.cluster.Members, func(m document.Member) bool { return m.HostID == o.Member.HostID }) {
		problems = append(problems, fmt.Errorf("node %s: host id %s is not a node of the backup", names[i], o.Member.HostID))
	}
	return errors.Join(problems...)
}

// newSource cross-checks the documents of all nodes: one COMPLETE, every node of
// the ring in it, and every node's documents on that very node.
func newSource(id string, names []string, facts []wire.Facts, opened []wire.OpenResult) (*source, error) {
	s := &source{id: id, opened: opened}
	if err := s.decode(opened[0]); err != nil {
		return nil, err
	}
	var problems []error
	for i := range opened {
		problems = append(problems, s.checkOpened(names, i))
	}
	for _, m := range s.cluster.Members {
		if _, ok := opened[0].Complete.Nodes[m.HostID]; !ok {
			problems = append(problems, fmt.Errorf("COMPLETE lacks node %s (host id %s)", m.Name, m.HostID))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, flow.Fail(flow.Corrupt, err)
	}
	for i, o := range opened {
		if o.Member.HostID != facts[i].HostID {
			problems = append(problems, fmt.Errorf("node %s: the volume belongs to host id %s (%s in the backup), but the node has host id %s",
				names[i], o.Member.HostID, o.Member.Name, facts[i].HostID))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	return s, nil
}

// decode reads the documents that are the same on all nodes.
func (s *source) decode(o wire.OpenResult) error {
	err := document.Decode(o.Cluster, &s.cluster)
	if newer := (*document.NewerError)(nil); errors.As(err, &newer) { // the agents, which are newer than this casshook, can read it
		return flow.Failf(flow.Precondition, "backup %s: %s: %w; this casshook is older than that: use the casshook that the agents are of", s.id, document.ClusterFile, err)
	}
	if err != nil {
		return flow.Fail(flow.Corrupt, fmt.Errorf("%s: %w", document.ClusterFile, err))
	}
	if s.rows, err = document.DecodeLines[schema.Row](o.Schema); err != nil {
		return flow.Fail(flow.Corrupt, fmt.Errorf("%s: %w", document.SchemaFile, err))
	}
	if s.grants, err = document.DecodeLines[schema.Grant](o.Grants); err != nil {
		return flow.Fail(flow.Corrupt, fmt.Errorf("%s: %w", document.GrantsFile, err))
	}
	return nil
}
