package restore

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

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

// choose picks the backup: the named one, or the newest that claims to be
// complete on every volume. What stands in the way is said by node.
func choose(names []string, volumes []wire.Volume, wanted string) (string, error) {
	complete := map[string]int{}
	var incomplete []string
	for i, v := range volumes {
		for _, b := range v.Backups {
			if b.Complete {
				complete[b.ID]++
			} else if wanted == "" || b.ID == wanted {
				incomplete = append(incomplete, fmt.Sprintf("backup %s is not complete on node %s: it has no COMPLETE", b.ID, names[i]))
			}
		}
	}
	if wanted != "" {
		if complete[wanted] == len(volumes) {
			return wanted, nil
		}
		if complete[wanted] > 0 {
			incomplete = append([]string{"it is on " + strings.Join(holders(names, volumes, wanted), ", ") + " only"}, incomplete...)
		}
		return "", flow.Failf(flow.Corrupt, "backup %s is complete on %d of %d volumes%s", wanted, complete[wanted], len(volumes), listed(incomplete))
	}
	var everywhere, somewhere []string
	for id, n := range complete {
		if n == len(volumes) {
			everywhere = append(everywhere, id)
		} else {
			somewhere = append(somewhere, fmt.Sprintf("backup %s is on %s only", id, strings.Join(holders(names, volumes, id), ", ")))
		}
	}
	if len(everywhere) > 0 {
		sort.Strings(everywhere) // ids begin with their time
		return everywhere[len(everywhere)-1], nil
	}
	sort.Strings(somewhere)
	if found := append(somewhere, incomplete...); len(found) > 0 {
		return "", flow.Failf(flow.Corrupt, "no backup is complete on every volume%s", listed(found))
	}
	return "", flow.Failf(flow.Corrupt, "no backup on the volumes: nothing under %s/%s of any node", "<volume>", document.Root)
}

func listed(items []string) string {
	if len(items) == 0 {
		return ""
	}
	return ": " + strings.Join(items, "; ")
}

func holders(names []string, volumes []wire.Volume, id string) []string {
	var found []string
	for i, v := range volumes {
		if slices.ContainsFunc(v.Backups, func(b wire.BackupSummary) bool { return b.ID == id && b.Complete }) {
			found = append(found, names[i])
		}
	}
	return found
}

// newSource cross-checks the documents of all nodes: one COMPLETE, every node of
// the ring in it, and every node's documents on that very node.
func newSource(id string, names []string, facts []wire.Facts, opened []wire.OpenResult) (*source, error) {
	s := &source{id: id, opened: opened}
	if err := document.Decode(opened[0].Cluster, &s.cluster); err != nil {
		return nil, flow.Fail(flow.Corrupt, err)
	}
	var problems []error
	for i, o := range opened {
		if o.CompleteDigest != opened[0].CompleteDigest {
			problems = append(problems, fmt.Errorf("node %s: its COMPLETE differs from that of node %s", names[i], names[0]))
		}
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
			problems = append(problems, fmt.Errorf("node %s: the volume is of host id %s (%s in the backup), the node has host id %s",
				names[i], o.Member.HostID, o.Member.Name, facts[i].HostID))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	var err error
	if s.rows, err = document.DecodeLines[schema.Row](opened[0].Schema); err != nil {
		return nil, flow.Fail(flow.Corrupt, fmt.Errorf("%s: %w", document.SchemaFile, err))
	}
	if s.grants, err = document.DecodeLines[schema.Grant](opened[0].Grants); err != nil {
		return nil, flow.Fail(flow.Corrupt, fmt.Errorf("%s: %w", document.GrantsFile, err))
	}
	return s, nil
}

// checkVolumes makes sure that volumes were restored: on the very volumes that
// were backed up, an after-restore would take what was written since.
func (s *source) checkVolumes(names []string, volumes []wire.Volume, inPlace bool) error {
	if inPlace {
		return nil
	}
	var original []string
	for i, o := range s.opened {
		if o.Volume == volumes[i].Identity {
			original = append(original, names[i])
		}
	}
	if len(original) == 0 {
		return nil
	}
	return flow.Failf(flow.Precondition, "the volumes of %s are those that backup %s was made on: no restore point was restored; "+
		"to go back to the backup on them and lose what was written since, say --in-place", strings.Join(original, ", "), s.id)
}

// restoreID names a restore by the backup, the volumes and the scope, so that
// restoring one backup twice is two restores, and a rerun is the same one.
func restoreID(backup string, volumes []wire.Volume, opts Options) string {
	identities := make([]string, 0, len(volumes))
	for _, v := range volumes {
		identities = append(identities, v.Identity)
	}
	sort.Strings(identities)
	parts := append([]string{backup}, identities...)
	if opts.partial() {
		parts = append(parts, fmt.Sprintf("%q %q", slices.Sorted(slices.Values(opts.Include)), slices.Sorted(slices.Values(opts.Exclude))))
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:8])
}

// earlier is what earlier runs of this restore left on the volumes.
type earlier struct {
	id string
	// loading is set when an earlier run began to load, and may have died there.
	loading bool
	loaded  bool
	// cleaned is set when the cleaner put all data in place on every volume.
	cleaned  bool
	done     bool
	evidence [][]wire.TableLoad
	report   json.RawMessage
}

// find looks for the restore with an id. That all data is loaded was recorded
// only after it was, so one volume that says so is enough.
func find(id string, volumes []wire.Volume) earlier {
	e := earlier{id: id, evidence: make([][]wire.TableLoad, len(volumes))}
	for i, v := range volumes {
		for _, r := range v.Restores {
			if r.ID != id {
				continue
			}
			e.loaded = e.loaded || r.Loaded
			e.loading = e.loading || r.Begun(wire.StepLoading)
			e.done = e.done || r.Done
			e.evidence[i] = r.Evidence
			if r.Done {
				e.report = r.Report
			}
		}
	}
	return e
}

// finished looks for the last restore of this scope that ended on these very
// volumes: then there may be no backup left to choose.
func finished(volumes []wire.Volume, opts Options) (earlier, string, bool) {
	var last *wire.RestoreSummary
	for _, v := range volumes {
		for _, r := range v.Restores {
			ended := r.Done && r.ID == restoreID(r.BackupID, volumes, opts) && (opts.Backup == "" || r.BackupID == opts.Backup)
			if ended && (last == nil || lastStep(r).After(lastStep(*last))) {
				last = &r
			}
		}
	}
	if last == nil {
		return earlier{}, "", false
	}
	return find(last.ID, volumes), last.BackupID, true
}

// lastStep is when the journal of a restore ends.
func lastStep(r wire.RestoreSummary) time.Time {
	if len(r.Steps) == 0 {
		return time.Time{}
	}
	return r.Steps[len(r.Steps)-1].Time
}

// holdsOther tells whether any volume holds a backup but this one: then that is
// what was asked for, and an earlier restore's end says nothing about it.
func holdsOther(volumes []wire.Volume, backup string) bool {
	for _, v := range volumes {
		if slices.ContainsFunc(v.Backups, func(b wire.BackupSummary) bool { return b.ID != backup }) {
			return true
		}
	}
	return false
}
