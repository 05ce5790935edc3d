package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/casshook/casshook/pkg/schema"
)

// grantSteps is what the permissions on the objects in scope differ in.
type grantSteps struct {
	grant, revoke []schema.GrantStep
	// gone are those of the backup whose object or role the ring does not have.
	gone []schema.GrantStep
}

// restoreGrants makes the permissions on the objects in scope those of the
// backup, both ways. Roles are neither created nor dropped.
func (o *online) restoreGrants(ctx context.Context) error {
	steps, err := o.grantSteps(ctx)
	if err != nil {
		return err
	}
	for _, s := range append(steps.revoke, steps.grant...) {
		if err := o.CQL.Exec(ctx, s.Statement); err != nil {
			if gone, lookErr := o.isGone(ctx, s); lookErr != nil || !gone {
				return err
			}
		}
	}
	return nil
}

// isGone tells whether the object or the role of a statement that failed is not there,
// or not any more: verify names it. What a ring says of functions that it lacks is
// not told from other errors.
func (o *online) isGone(ctx context.Context, s schema.GrantStep) (bool, error) {
	live, err := liveSchema(ctx, o.CQL)
	if err != nil {
		return false, err
	}
	roles, err := o.CQL.Roles(ctx)
	return !live.HasResource(s.Resource) || !slices.Contains(roles, s.Role) || strings.HasPrefix(s.Resource, "functions/"), err
}

// grantSteps compares the permissions. Those on objects that the schema they belong to
// does not have are left out: Cassandra left them behind, and they permit nothing.
func (o *online) grantSteps(ctx context.Context) (grantSteps, error) {
	var steps grantSteps
	live, err := liveSchema(ctx, o.CQL)
	if err != nil {
		return steps, err
	}
	grants, err := o.CQL.Grants(ctx)
	if err != nil {
		return steps, err
	}
	grant, revoke, err := schema.CompareGrants(o.cmp.backup.OfExisting(o.source.grants), live.OfExisting(grants), o.cmp.diff.GrantInScope)
	if err != nil {
		return steps, err
	}
	if o.cmp.roles, err = o.CQL.Roles(ctx); err != nil {
		return steps, err
	}
	have := func(s schema.GrantStep) bool { return slices.Contains(o.cmp.roles, s.Role) }
	for _, s := range grant {
		if have(s) && live.HasResource(s.Resource) {
			steps.grant = append(steps.grant, s)
		} else {
			steps.gone = append(steps.gone, s)
		}
	}
	for _, s := range revoke {
		if have(s) {
			steps.revoke = append(steps.revoke, s)
		}
	}
	return steps, nil
}

// verifyGrants lists what differs; the error is that it could not be read.
func (o *online) verifyGrants(ctx context.Context) ([]error, error) {
	steps, err := o.grantSteps(ctx)
	if err != nil {
		return nil, err
	}
	var problems []error
	for _, s := range append(steps.grant, steps.revoke...) {
		problems = append(problems, fmt.Errorf("permissions differ from the backup; missing statement: %s", s.Statement))
	}
	for _, s := range steps.gone {
		if slices.Contains(o.cmp.roles, s.Role) { // missing roles are named below
			problems = append(problems, fmt.Errorf("permissions differ from the backup: the object of %q does not exist any more", s.Statement))
		}
	}
	if missing := o.cmp.missingRoles(o.source); len(missing) > 0 {
		problems = append(problems, fmt.Errorf("roles with permissions in the backup do not exist: %s: create them and run again", strings.Join(missing, ", ")))
	}
	return problems, nil
}
