package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/schema"
)

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
	o.report.differ(append([]error{data}, differences...), o.opts.Skip)
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
