package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/schema"
)

// restoreGrants makes the permissions on the objects in scope those of the
// backup, both ways. Roles are neither created nor dropped.
func (o *online) restoreGrants(ctx context.Context) error {
	grant, revoke, err := o.grantSteps(ctx)
	if err != nil {
		return err
	}
	for _, s := range append(revoke, grant...) {
		if err := o.CQL.Exec(ctx, s.Statement); err != nil {
			return err
		}
	}
	return nil
}

// grantSteps leaves out roles that do not exist, which verify names.
func (o *online) grantSteps(ctx context.Context) (grant, revoke []schema.GrantStep, err error) {
	live, err := o.CQL.Grants(ctx)
	if err != nil {
		return nil, nil, err
	}
	grant, revoke, err = schema.CompareGrants(o.source.grants, live, o.cmp.diff.GrantInScope)
	if err != nil {
		return nil, nil, err
	}
	if o.cmp.roles, err = o.CQL.Roles(ctx); err != nil {
		return nil, nil, err
	}
	have := map[string]bool{}
	for _, r := range o.cmp.roles {
		have[r] = true
	}
	var possible []schema.GrantStep
	for _, s := range grant {
		if have[s.Role] {
			possible = append(possible, s)
		}
	}
	return possible, revoke, nil
}

// verify proves the result: every SSTable was taken, the schema and the
// permissions are those of the backup, no role is missing.
func (o *online) verify(ctx context.Context) error {
	if o.evidence == nil {
		o.evidence = o.earlier.Evidence
	}
	check := o.checkEvidence
	switch {
	case o.earlier.Cleaned:
		check = func() error { return nil } // Decide found the marker of every volume
	case o.isLoaded():
		check = o.checkRecorded
	}
	data := errors.Join(append([]error{check()}, o.views.unbuilt...)...)
	schemas, err := o.verifySchema(ctx)
	if err != nil {
		return couldNotLook("the schema", err)
	}
	grants, err := o.verifyGrants(ctx)
	if err != nil {
		return couldNotLook("the permissions", err)
	}
	whole, err := o.verifyWhole(ctx)
	if err != nil {
		return couldNotLook("ids and roles", err)
	}
	differences := slices.Concat(o.views.differ, schemas, grants, whole)
	if o.report, err = o.newReport(ctx); err != nil {
		return err
	}
	for _, p := range append([]error{data}, differences...) {
		if p != nil {
			o.report.Differences = append(o.report.Differences, strings.Split(p.Error(), "\n")...)
		}
	}
	if o.opts.AcceptDifferences && data == nil { // missing data is never accepted
		return nil
	}
	return flow.Recode(flow.Differences, errors.Join(append([]error{data}, differences...)...))
}

// couldNotLook is a verification that was cut off: nothing is known to differ, and a
// rerun verifies.
func couldNotLook(what string, err error) error {
	return flow.Recode(flow.HalfWay, fmt.Errorf("verify %s: %w", what, err))
}

// checkRecorded is for a rerun: the evidence of the load was recorded, and views
// that were built are none of it.
func (o *online) checkRecorded() error {
	var problems []error
	for i, tables := range o.evidence {
		if tables == nil {
			o.plan.Warnings = append(o.plan.Warnings, fmt.Sprintf("node %s has no record of its load: only the other nodes prove that all SSTables were loaded", o.names()[i]))
		}
		for _, t := range tables {
			if t.Taken != t.SSTables {
				problems = append(problems, fmt.Errorf("node %s: Cassandra took %d of %d SSTables of %s.%s", o.names()[i], t.Taken, t.SSTables, t.Keyspace, t.Name))
			}
		}
	}
	return errors.Join(problems...)
}

// verifySchema lists what differs; the error is that it could not be read.
func (o *online) verifySchema(ctx context.Context) ([]error, error) {
	if err := o.WaitAgreement(ctx, o.opts.AgreementTimeout); err != nil {
		return nil, err
	}
	after, err := compare(ctx, o.CQL, o.source, o.opts, o.View.Facts[0].Release)
	if err != nil {
		return nil, err
	}
	var problems []error
	for _, c := range after.diff.Changes {
		if c.Verdict != schema.Keep {
			problems = append(problems, fmt.Errorf("%s differs from the backup: %s (%s)", c.Ref.Describe(), c.Verdict, c.Reason))
		}
	}
	return problems, nil
}

// verifyGrants lists what differs; the error is that it could not be read.
func (o *online) verifyGrants(ctx context.Context) ([]error, error) {
	grant, revoke, err := o.grantSteps(ctx)
	if err != nil {
		return nil, err
	}
	var problems []error
	for _, s := range append(grant, revoke...) {
		problems = append(problems, fmt.Errorf("permissions differ from the backup; missing statement: %s", s.Statement))
	}
	if missing := o.cmp.missingRoles(o.source); len(missing) > 0 {
		problems = append(problems, fmt.Errorf("roles with permissions in the backup do not exist: %s: create them and run again", strings.Join(missing, ", ")))
	}
	return problems, nil
}
