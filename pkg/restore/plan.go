package restore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/schema"
	"github.com/casshook/casshook/pkg/sstable"
)

// Plan is what a restore would do, and what it did, for people and machines.
type Plan struct {
	RestoreID string    `json:"restoreId"`
	BackupID  string    `json:"backupId"`
	Created   time.Time `json:"created"`
	// Skew is how far apart the snapshots of the nodes are.
	Skew document.Skew `json:"skew"`
	// Resumes is set when an earlier run loaded all data: then it is only
	// verified, and nothing is truncated or dropped.
	Resumes bool `json:"resumes"`
	// Cleaned is set when the cleaner put all data in place while the ring was
	// stopped: then it is only verified, too.
	Cleaned  bool        `json:"cleaned,omitempty"`
	Objects  []Object    `json:"objects"`
	Tables   []TablePlan `json:"tables"`
	Warnings []string    `json:"warnings,omitempty"`
	Nodes    []string    `json:"nodes"`
	// Visible is there instead of verdicts where the ring is not whole: what can be
	// seen of each of its nodes.
	Visible []VisibleNode `json:"visible,omitempty"`
}

// Object is the verdict on one schema object.
type Object struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
}

// TablePlan is a table or view whose SSTables are loaded.
type TablePlan struct {
	document.TableName
	View    bool   `json:"view,omitempty"`
	Verdict string `json:"verdict"`
	// SSTables and Bytes of each node, in the order of Plan.Nodes.
	SSTables []int   `json:"sstables"`
	Bytes    []int64 `json:"bytes"`
}

// comparison is the schema of the backup against the live one.
type comparison struct {
	backup, live *schema.Schema
	diff         *schema.Diff
	target       schema.Target
	settings     map[string]string
	user         ring.User
	// loaded is set when only views may still be created.
	loaded bool
	roles  []string
	grants []schema.Grant
}

// compare reads the live schema and gives every object its verdict. What cannot
// be restored as asked is refused by name.
func compare(ctx context.Context, c ring.CQL, s *source, opts Options, release string) (*comparison, error) {
	var cmp comparison
	var err error
	if cmp.target, err = schema.ParseTarget(release); err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	if cmp.backup, err = schema.Parse(s.rows, s.cluster.Extras); err != nil {
		return nil, flow.Fail(flow.Corrupt, fmt.Errorf("schema of the backup: %w", err))
	}
	if cmp.live, err = liveSchema(ctx, c); err != nil {
		return nil, err
	}
	cmp.diff, err = schema.Compare(cmp.backup, cmp.live, schema.CompareOptions{Include: opts.Include, Exclude: opts.without(cmp.backup), Target: cmp.target})
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	if cmp.user, err = c.User(ctx); err != nil {
		return nil, err
	}
	if cmp.settings, err = c.Settings(ctx); err != nil {
		return nil, cmp.notAllowed(err)
	}
	if cmp.roles, err = c.Roles(ctx); err != nil {
		return nil, cmp.notAllowed(err)
	}
	if cmp.grants, err = c.Grants(ctx); err != nil {
		return nil, cmp.notAllowed(err)
	}
	return &cmp, cmp.readProperties(ctx, c)
}

func liveSchema(ctx context.Context, c ring.CQL) (*schema.Schema, error) {
	rows, err := c.Describe(ctx)
	if err != nil {
		return nil, err
	}
	extras, err := c.Extras(ctx)
	if err != nil {
		return nil, err
	}
	live, err := schema.Parse(rows, extras)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, fmt.Errorf("live schema: %w", err))
	}
	return live, nil
}

// checkTarget refuses before anything is touched what the target could not take:
// another ring, other versions, switched-off features, unreadable SSTables.
func (cmp *comparison) checkTarget(s *source, view ring.View) error {
	var problems []error
	if s.cluster.ClusterName != view.ClusterName {
		problems = append(problems, fmt.Errorf("the backup is of cluster %q, but this is cluster %q", s.cluster.ClusterName, view.ClusterName))
	}
	problems = append(problems, ring.CompareMembers(s.cluster.Members, view.Members))
	problems = append(problems, cmp.checkVersions(s, view)...)
	problems = append(problems, cmp.checkStatements(view)...)
	for _, c := range cmp.diff.Changes {
		if c.PlacementDiffers && c.Verdict == schema.Keep {
			problems = append(problems, fmt.Errorf("the replication of %s differs from the backup, so its nodes hold other rows: restore the whole keyspace", c.Ref.Describe()))
		}
	}
	return flow.Fail(flow.Precondition, errors.Join(problems...))
}

func (cmp *comparison) checkVersions(s *source, view ring.View) []error {
	var problems []error
	for _, f := range view.Facts {
		major, minor := ring.MajorMinor(f.Release)
		for _, m := range s.cluster.Members {
			if bMajor, bMinor := ring.MajorMinor(m.Release); bMajor > major || (bMajor == major && bMinor > minor) {
				problems = append(problems, fmt.Errorf("the backup is of Cassandra %s, but the node with host id %s runs %s, which is older", m.Release, f.HostID, f.Release))
				break
			}
		}
	}
	reader := sstable.Reader{Major: cmp.target.Major, Minor: cmp.target.Minor, Compatibility: cmp.settings["storage_compatibility_mode"]}
	seen := map[string]bool{}
	for _, o := range s.opened {
		for _, format := range o.Formats {
			version, kind, _ := strings.Cut(format, " ")
			if err := reader.Readable(version, kind); err != nil && !seen[format] {
				seen[format] = true
				problems = append(problems, err)
			}
		}
	}
	return problems
}

// missingRoles are roles with permissions in the backup that the ring lacks; an
// online restore neither creates nor drops roles.
func (cmp *comparison) missingRoles(s *source) []string {
	have := map[string]bool{}
	for _, r := range cmp.roles {
		have[r] = true
	}
	var missing []string
	for _, g := range s.grants {
		if cmp.diff.GrantInScope(g.Resource) && cmp.backup.HasResource(g.Resource) && !have[g.Role] {
			have[g.Role] = true
			missing = append(missing, g.Role)
		}
	}
	return missing
}

// loads lists the tables and views whose SSTables are loaded: every table of the
// backup in scope, and the views that stay. Other views are built by Cassandra.
func (cmp *comparison) loads(s *source, names []string) []TablePlan {
	var tables []TablePlan
	for _, c := range cmp.diff.Changes {
		view := c.Ref.Kind == schema.KindView
		stays := c.Verdict == schema.Keep || c.Verdict == schema.Alter
		if c.Verdict == schema.Drop || (c.Ref.Kind != schema.KindTable && (!view || !stays)) {
			continue
		}
		t := TablePlan{TableName: document.TableName{Keyspace: c.Ref.Keyspace, Name: c.Ref.Name}, View: view, Verdict: string(c.Verdict), SSTables: make([]int, len(names)), Bytes: make([]int64, len(names))}
		for i, o := range s.opened {
			for _, summary := range o.Tables {
				if summary.Keyspace == t.Keyspace && summary.Name == t.Name {
					t.SSTables[i], t.Bytes[i] = summary.SSTables, summary.Bytes
				}
			}
		}
		tables = append(tables, t)
	}
	return tables
}

// rebuildViews has every view that could stay created anew from its base.
func (cmp *comparison) rebuildViews() {
	for _, c := range cmp.diff.Changes {
		if c.Ref.Kind == schema.KindView && (c.Verdict == schema.Keep || c.Verdict == schema.Alter) {
			c.Verdict, c.Reason = schema.Recreate, "--rebuild-views"
		}
	}
}

func (cmp *comparison) objects() []Object {
	objects := make([]Object, 0, len(cmp.diff.Changes))
	for _, c := range cmp.diff.Changes {
		name := c.Ref.String()
		objects = append(objects, Object{Kind: string(c.Ref.Kind), Name: name, Verdict: string(c.Verdict), Reason: c.Reason})
	}
	return objects
}
