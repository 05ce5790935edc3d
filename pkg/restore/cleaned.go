package restore

import (
	"context"
	"fmt"
	"slices"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
)

// lookCleaned has the passwords of roles set again on a ring that was restored while
// it was stopped: with the roles those of the backup came back, and nobody may be
// able to log in.
func (o *online) lookCleaned(ctx context.Context) error {
	passwords := o.Target.Passwords
	if passwords == nil || !slices.ContainsFunc(o.seen, ledger.CleanedSince) {
		return nil
	}
	return flow.Fail(flow.HalfWay, passwords.Renew(ctx, o.observer.Progress))
}

// verifyWhole checks what only a restore of the whole ring brings back, and a
// restore into a running one does not: table ids and roles.
func (o *online) verifyWhole(ctx context.Context) ([]error, error) {
	if !o.earlier.Cleaned {
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
		if id := live[t.TableName]; id != t.ID && !t.View { // a view may have been built anew
			problems = append(problems, fmt.Errorf("%s.%s has id %q, but %s in the backup", t.Keyspace, t.Name, id, t.ID))
		}
	}
	for _, role := range o.source.cluster.Roles {
		if !slices.Contains(o.cmp.roles, role) {
			problems = append(problems, fmt.Errorf("role %q of the backup does not exist", role))
		}
	}
	return problems, nil
}
