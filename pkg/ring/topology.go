package ring

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
)

// Supported says what versions of Cassandra are.
const Supported = "supported are Cassandra 4.0, 4.1 and 5.0"

// View is the ring as all of its nodes and its system tables see it.
type View struct {
	ClusterName string
	// Members as the system tables of one node show them.
	Members []document.Member
	// Facts of each session's node, in the order of the sessions.
	Facts []wire.Facts
	// Names of the sessions' nodes, in the same order.
	Names []string
}

// Check compares what the nodes say with what the target lists: every node of
// the ring is reachable by this run, up and normal in the eyes of every other,
// and of a supported version. All problems are reported at once.
func (v View) Check(clusterName string) error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if clusterName != "" && v.ClusterName != clusterName {
		bad("the cluster is called %q, expected was %q", v.ClusterName, clusterName)
	}
	listed := map[string]string{}
	for i, f := range v.Facts {
		if other, ok := listed[f.HostID]; ok {
			bad("nodes %s and %s are the same Cassandra (host id %s)", other, v.Names[i], f.HostID)
		}
		listed[f.HostID] = v.Names[i]
		if err := supported(f.Release); err != nil {
			bad("node %s: %w", v.Names[i], err)
		}
	}
	for _, m := range v.Members {
		if _, ok := listed[m.HostID]; !ok {
			bad("the ring has a node that this run does not see: %s (host id %s, datacenter %s); a backup or restore without it would not be exact", m.Address, m.HostID, m.Datacenter)
		}
		delete(listed, m.HostID)
	}
	for _, hostID := range slices.Sorted(maps.Keys(listed)) {
		bad("node %s (host id %s) is not in the ring", listed[hostID], hostID)
	}
	problems = append(problems, v.checkStates()...)
	return errors.Join(problems...)
}

// MajorMinor reads the first two numbers of a release version.
func MajorMinor(release string) (major, minor int) {
	_, _ = fmt.Sscanf(release, "%d.%d", &major, &minor)
	return major, minor
}

func supported(release string) error {
	for _, prefix := range []string{"4.0", "4.1", "5.0"} {
		if release == prefix || strings.HasPrefix(release, prefix+".") || strings.HasPrefix(release, prefix+"-") {
			return nil
		}
	}
	return fmt.Errorf("unsupported Cassandra %s: %s", release, Supported)
}

// checkStates looks at every node with the eyes of every node.
func (v View) checkStates() []error {
	seen := map[string]bool{}
	var problems []error
	for i, f := range v.Facts {
		problems = append(problems, v.checkSeen(i)...)
		for _, e := range f.Endpoints {
			if forgotten(e) {
				continue
			}
			text := ""
			switch {
			case !e.Up:
				text = fmt.Sprintf("node %s (host id %s) is down", e.Address, e.HostID)
			case !e.Normal:
				text = fmt.Sprintf("node %s (host id %s) is joining, leaving or moving", e.Address, e.HostID)
			}
			if text != "" && !seen[text] {
				seen[text] = true
				problems = append(problems, fmt.Errorf("%s, as node %s sees it", text, v.Names[i]))
			}
		}
	}
	return problems
}

// forgotten is an address without a node: gossip keeps the former addresses of
// nodes that came back with new ones, as all pods do, until nobody tells them any
// more. They have no host id and are down. A member that is down has its host id,
// from the system tables of the others if from nowhere else.
func forgotten(e wire.Endpoint) bool { return e.HostID == "" && !e.Up }

// checkSeen compares the nodes that a node sees with the members of the ring.
func (v View) checkSeen(i int) []error {
	var problems []error
	missing := map[string]bool{}
	for _, m := range v.Members {
		missing[m.HostID] = true
	}
	for _, e := range v.Facts[i].Endpoints {
		if forgotten(e) {
			continue
		}
		if _, ok := missing[e.HostID]; !ok {
			problems = append(problems, fmt.Errorf("node %s sees a node that the system tables do not name: %s (host id %s)", v.Names[i], e.Address, e.HostID))
			continue
		}
		missing[e.HostID] = false
	}
	for _, m := range v.Members {
		if missing[m.HostID] {
			problems = append(problems, fmt.Errorf("node %s does not see node %s (host id %s)", v.Names[i], m.Address, m.HostID))
		}
	}
	return problems
}

// Named puts the sessions' node names into the members, by host id, and sorts
// them by host id, so that all documents list them alike.
func (v View) Named() []document.Member {
	names := map[string]string{}
	for i, f := range v.Facts {
		names[f.HostID] = v.Names[i]
	}
	members := slices.Clone(v.Members)
	for i := range members {
		members[i].Name = names[members[i].HostID]
	}
	sort.Slice(members, func(i, j int) bool { return members[i].HostID < members[j].HostID })
	return members
}

// CompareMembers says how the ring differs from the one that was backed up:
// nodes, host ids, tokens, datacenters and racks must be the same, since every
// node gets its own files back.
func CompareMembers(backup, live []document.Member) error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if len(backup) != len(live) {
		bad("the backup is of %d nodes, the ring has %d: scale it to %d first", len(backup), len(live), len(backup))
	}
	found := map[string]document.Member{}
	for _, m := range live {
		found[m.HostID] = m
	}
	for _, b := range backup {
		m, ok := found[b.HostID]
		switch {
		case !ok:
			bad("no node of the ring has host id %s (%s in the backup): its volume must be restored, not a new one", b.HostID, b.Name)
		case !slices.Equal(sorted(b.Tokens), sorted(m.Tokens)):
			bad("node %s (host id %s) has other tokens than in the backup", m.Address, b.HostID)
		case b.Datacenter != m.Datacenter || b.Rack != m.Rack:
			bad("node %s (host id %s) is in %s/%s, in the backup it was in %s/%s", m.Address, b.HostID, m.Datacenter, m.Rack, b.Datacenter, b.Rack)
		}
		delete(found, b.HostID)
	}
	for _, hostID := range slices.Sorted(maps.Keys(found)) {
		m := found[hostID]
		bad("node %s (host id %s) is not in the backup", m.Address, m.HostID)
	}
	return errors.Join(problems...)
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}
