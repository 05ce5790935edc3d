package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
)

// cleanState is what the cleaner did on a volume with a backup.
type cleanState int

const (
	untouched cleanState = iota
	halfCleaned
	cleaned
)

func stateOf(v wire.Volume, backup string) cleanState {
	state := untouched
	for _, r := range v.Restores {
		switch {
		case !r.Offline || r.BackupID != backup || r.Volume != v.Identity:
		case r.Cleaned != nil:
			return cleaned
		case len(r.Steps) > 0:
			state = halfCleaned
		}
	}
	return state
}

// readCleaned finds out whether the cleaner put the backup in place while the ring
// was stopped. All of the ring, or none of it, was to be cleaned: a node that was
// left as it was has newer schema and data, which win.
func (r *run) readCleaned() error {
	var done, half, not []string
	for i, v := range r.volumes {
		switch stateOf(v, r.source.id) {
		case cleaned:
			done = append(done, r.names()[i])
		case halfCleaned:
			half = append(half, r.names()[i])
		default:
			not = append(not, r.names()[i])
		}
	}
	switch {
	case len(half) > 0:
		return flow.Failf(flow.Precondition, "the volumes of %s are half cleaned with backup %s: stop the ring and run after-restore (or the cleaner) again, which goes on",
			strings.Join(half, ", "), r.source.id)
	case len(done) > 0 && len(not) > 0:
		return flow.Failf(flow.Precondition, "backup %s was put in place on the volumes of %s, and not on those of %s, whose newer schema and data have spread: "+
			"stop the ring and run after-restore --again", r.source.id, strings.Join(done, ", "), strings.Join(not, ", "))
	}
	r.earlier.cleaned = len(done) > 0 && !r.opts.partial() && !r.opts.Again
	return nil
}

// lookCleaned has the passwords of roles set again on a ring that was restored while
// it was stopped: with the roles those of the backup came back, and nobody may be
// able to log in.
func (o *online) lookCleaned(ctx context.Context) error {
	passwords := o.Target.Passwords
	if passwords == nil {
		return nil
	}
	volumes, err := o.Inspect(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(volumes, freshlyCleaned) {
		return nil
	}
	return flow.Fail(flow.HalfWay, passwords.Renew(ctx, o.observer.Progress))
}

// cleanedAt is when the cleaner ended on the last of the volumes.
func (r *run) cleanedAt() time.Time {
	var last time.Time
	for _, v := range r.volumes {
		for _, s := range v.Restores {
			if s.Cleaned != nil && s.BackupID == r.source.id && s.Volume == v.Identity && s.Cleaned.Time.After(last) {
				last = s.Cleaned.Time
			}
		}
	}
	return last
}

// freshlyCleaned tells a volume whose cleaning no after-restore has ended since.
func freshlyCleaned(v wire.Volume) bool {
	return slices.ContainsFunc(v.Restores, func(r wire.RestoreSummary) bool {
		ended := func(other wire.RestoreSummary) bool {
			return other.BackupID == r.BackupID && other.Volume == v.Identity && other.Done && lastStep(other).After(r.Cleaned.Time)
		}
		return r.Cleaned != nil && r.Volume == v.Identity && !slices.ContainsFunc(v.Restores, ended)
	})
}

// verifyWhole checks what only a restore of the whole ring brings back, and a
// restore into a running one does not: table ids and roles.
func (o *online) verifyWhole(ctx context.Context) ([]error, error) {
	if !o.earlier.cleaned {
		return nil, nil
	}
	tables, err := o.CQL.Tables(ctx)
	if err != nil {
		return nil, err
	}
	live := map[document.TableName]string{}
	for _, t := range tables {
		live[t.TableName] = t.ID
	}
	var problems []error
	for _, t := range o.source.cluster.Tables {
		if id := live[t.TableName]; id != t.ID {
			problems = append(problems, fmt.Errorf("%s.%s has the id %q, in the backup it had %s", t.Keyspace, t.Name, id, t.ID))
		}
	}
	for _, role := range o.source.cluster.Roles {
		if !slices.Contains(o.cmp.roles, role) {
			problems = append(problems, fmt.Errorf("role %q of the backup does not exist", role))
		}
	}
	return problems, nil
}
