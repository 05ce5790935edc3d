package restore

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/schema"
)

// earlier is what earlier runs left on the volumes, and what this run does about
// it by the rules of the ledger.
type earlier struct {
	ledger.Decision
	scope ledger.Scope
}

// isDone tells whether an earlier run ended the restore.
func (r *run) isDone() bool { return r.earlier.Action == ledger.Nothing }

// isLoaded tells whether all data is in place: then nothing is loaded any more.
func (r *run) isLoaded() bool { return r.isDone() || r.earlier.Action == ledger.Prove }

// findFinished looks for the restore that ended, where no backup is left that one
// could choose.
func (r *run) findFinished() bool {
	p, backup, ok := ledger.Finished(r.volumes, r.opts.Backup)
	if !ok || r.opts.partial() || holdsOther(r.volumes, backup) {
		return false
	}
	r.earlier = earlier{Decision: ledger.Decision{Action: ledger.Nothing, Progress: p}, scope: ledger.All()}
	r.source = &source{id: backup}
	return true
}

// decide applies the rules to the backup that was chosen.
func (r *run) decide() error {
	scope, err := scopeOf(r.source, r.opts)
	if err != nil {
		return err
	}
	request := ledger.Request{Operation: ledger.AfterRestore, InPlace: r.opts.InPlace, Again: r.opts.Again, Restored: r.opts.Restored}
	r.earlier = earlier{Decision: ledger.Decide(r.volumes, r.source.id, scope, request), scope: scope}
	nodes := strings.Join(r.earlier.Nodes, ", ")
	switch r.earlier.Action {
	case ledger.RefuseOriginal:
		return flow.Failf(flow.Precondition, "no restore point was restored: the volumes of %s are the original ones of backup %s; "+
			"to roll back in place and lose all writes since the backup, use --in-place", nodes, r.source.id)
	case ledger.RefuseUnknown:
		return flow.Failf(flow.Precondition, "cannot tell whether the volumes of %s are the original ones of backup %s or restored copies (%s); "+
			"use --restored if they were restored from a restore point, or --in-place to roll back the originals and lose all writes since the backup",
			nodes, r.source.id, r.explain(r.earlier.Nodes[0]))
	case ledger.RefuseCleaning:
		return flow.Failf(flow.Precondition, "the volumes of %s are half cleaned with backup %s: stop the ring and run after-restore (or the cleaner) again, which resumes",
			nodes, r.source.id)
	case ledger.RefuseMixed:
		return flow.Failf(flow.Precondition, "backup %s was restored offline on the volumes of %s, but not on those of %s, whose newer schema and data have spread: "+
			"stop the ring and run after-restore --again", r.source.id, nodes, strings.Join(r.earlier.Others, ", "))
	case ledger.RefuseIncomplete:
		return flow.Failf(flow.Corrupt, "backup %s is not complete on %s", r.source.id, nodes)
	}
	return nil
}

// explain says what is known of the volume of a node.
func (r *run) explain(node string) string {
	for _, v := range r.volumes {
		if b, ok := v.Backup(r.source.id); ok && v.Node == node {
			return node + ": " + ledger.Explain(b, v)
		}
	}
	return node
}

// scopeOf resolves the globs of the options to tables and views of the backup.
func scopeOf(s *source, opts Options) (ledger.Scope, error) {
	if !opts.partial() {
		return ledger.All(), nil
	}
	backup, err := schema.Parse(s.rows, s.cluster.Extras)
	if err != nil {
		return ledger.Scope{}, flow.Fail(flow.Corrupt, fmt.Errorf("schema of the backup: %w", err))
	}
	selected, all, err := schema.Select(backup, schema.CompareOptions{Include: opts.Include, Exclude: opts.Exclude})
	if err != nil {
		return ledger.Scope{}, flow.Fail(flow.Precondition, err)
	}
	if len(selected) == 0 {
		return ledger.Scope{}, flow.Failf(flow.Usage, "--include and --exclude leave nothing to restore")
	}
	return ledger.Part(namesOf(selected), namesOf(all)), nil
}

func namesOf(refs []schema.Ref) []document.TableName {
	tables := make([]document.TableName, 0, len(refs))
	for _, r := range refs {
		tables = append(tables, document.TableName{Keyspace: r.Keyspace, Name: r.Name})
	}
	return tables
}

// errDone says that there is nothing to do, and what would do it once more.
func (r *run) errDone() error {
	return flow.Failf(flow.Precondition, "%s", doneBefore(r.source.id, r.earlier.scope))
}

func doneBefore(backup string, scope ledger.Scope) string {
	return fmt.Sprintf("backup %s (%s) was restored on these volumes before: nothing was done; "+
		"to restore it again and lose all writes since, use --again", backup, scope)
}

// checkAgain refuses to restore once more what is no longer there.
func (r *run) checkAgain() error {
	if r.opts.Again {
		return flow.Fail(flow.Precondition, fmt.Errorf("backup %s was restored on these volumes, and removed when that was done: restore the restore point again", r.source.id))
	}
	return nil
}

// holdsOther tells whether any volume holds a backup but this one: then that is
// what was asked for, and an earlier restore's end says nothing about it.
func holdsOther(volumes []ledger.Volume, backup string) bool {
	return slices.ContainsFunc(volumes, func(v ledger.Volume) bool {
		return slices.ContainsFunc(v.Backups, func(b ledger.Backup) bool { return b.ID != backup })
	})
}

// cleanedAt is when the cleaner ended on the last of the volumes.
func (r *run) cleanedAt() time.Time {
	var last time.Time
	for _, v := range r.volumes {
		if c := v.Cleaned(r.source.id); c != nil && c.Time.After(last) {
			last = c.Time
		}
	}
	return last
}
