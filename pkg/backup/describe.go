package backup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/schema"
)

// described is everything that CQL says of the ring's schema, read at one schema
// version.
type described struct {
	version   string
	schema    *schema.Schema
	rows      []schema.Row
	tables    []document.TableRef
	keyspaces []document.Keyspace
	extras    schema.Extras
	grants    []schema.Grant
	roles     []string
	unbuilt   []document.TableName
	settings  map[string]string
	skew      document.Skew
}

// describe reads the schema and what DESCRIBE leaves out. The version is read
// first: when it is the same after the snapshot, all of this belongs to it.
func describe(ctx context.Context, c ring.CQL, members []document.Member) (described, error) {
	var d described
	var err error
	if d.version, err = c.WaitAgreement(ctx, agreementPatience); err != nil {
		return d, err
	}
	for _, read := range []func() error{
		func() (err error) { d.rows, err = c.Describe(ctx); return },
		func() (err error) { d.tables, err = c.Tables(ctx); return },
		func() (err error) { d.keyspaces, err = c.Keyspaces(ctx); return },
		func() (err error) { d.extras, err = c.Extras(ctx); return },
		func() (err error) { d.grants, err = c.Grants(ctx); return },
		func() (err error) { d.roles, err = c.Roles(ctx); return },
		func() (err error) { d.settings, err = c.Settings(ctx); return },
	} {
		if err := read(); err != nil {
			return d, err
		}
	}
	if d.unbuilt, err = unbuilt(ctx, c, d.tables, members); err != nil {
		return d, err
	}
	d.schema, err = parse(d.rows, d.extras)
	return d, err
}

// unbuilt lists the views that nodes are building.
func unbuilt(ctx context.Context, c ring.CQL, tables []document.TableRef, members []document.Member) ([]document.TableName, error) {
	if !slices.ContainsFunc(tables, func(t document.TableRef) bool { return t.View }) {
		return nil, nil
	}
	builds, err := c.ViewBuilds(ctx)
	if err != nil {
		return nil, err
	}
	var found []document.TableName
	for _, t := range tables {
		if t.View && builds.Building(t.TableName, members) {
			found = append(found, t.TableName)
		}
	}
	return found, nil
}

// waitViews waits until no view is being built.
func (b *before) waitViews(ctx context.Context) error {
	w := flow.Waiting{For: "views to be built", Limit: b.opts.WaitViews, Every: viewPoll, Progress: b.observer.Progress}
	return flow.Wait(ctx, w, func(ctx context.Context) (string, error) {
		tables, err := b.CQL.Tables(ctx)
		if err != nil {
			return "", err
		}
		views, err := unbuilt(ctx, b.CQL, tables, b.View.Members)
		return strings.Join(names(views), ", "), err
	})
}

// viewPoll is how often views are asked for.
const viewPoll = 500 * time.Millisecond

func names(tables []document.TableName) []string {
	texts := make([]string, len(tables))
	for i, t := range tables {
		texts[i] = t.String()
	}
	return texts
}

// longWindow is how long snapshots may take before the backup warns of it.
const longWindow = 1000 // milliseconds

// warnings say what a restore from this backup cannot do, or brings back otherwise than
// people expect.
func (d described) warnings() []string {
	var warnings []string
	if d.skew.TotalMS > longWindow {
		warnings = append(warnings, fmt.Sprintf("the snapshots took %s: of writes in that time one node may have what another has not, "+
			"as of a logged batch, or of a view and its table", d.skew.Window()))
	}
	if len(d.unbuilt) > 0 {
		warnings = append(warnings, "views that are still being built: a restore builds them from their tables (--wait-views waits for them): "+strings.Join(names(d.unbuilt), ", "))
	}
	if owned := d.schema.ComponentKeyspaces(); len(owned) > 0 {
		warnings = append(warnings, fmt.Sprintf("components of the platform own the keyspaces %s: they are in the backup, but a restore into a running ring leaves them as they are, "+
			"unless --include names them", strings.Join(owned, ", ")))
	}
	for _, r := range d.schema.NotReplayable() {
		warnings = append(warnings, fmt.Sprintf("CQL cannot create %s again: %s; only a restore offline, or one where the table still exists, brings it back", r.Object, r.Reason))
	}
	return warnings
}

// cluster is the document of the ring.
func (d described) cluster(b *before, members []document.Member) document.Cluster {
	c := document.Cluster{
		Version: document.Version, BackupID: b.id, Created: time.Now().UTC(), CreatedBy: b.opts.CreatedBy,
		ClusterName: b.View.ClusterName, Partitioner: d.settings["partitioner"], SchemaVersion: d.version,
		Members: members, Keyspaces: d.keyspaces, Tables: d.tables,
		Extras: d.extras, Roles: d.roles, Settings: d.settings, Skew: d.skew,
	}
	c.Unbuilt(d.unbuilt)
	c.Place(b.Target.Place.Namespace, b.Target.Place.ClusterHash)
	return c
}

// shared renders the documents that are the same on every node.
func (d described) shared(c document.Cluster) (map[string][]byte, error) {
	cluster, err := document.Encode(c)
	if err != nil {
		return nil, err
	}
	rows, err := document.EncodeLines(d.rows)
	if err != nil {
		return nil, err
	}
	grants, err := document.EncodeLines(d.grants)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{document.ClusterFile: cluster, document.SchemaFile: rows, document.GrantsFile: grants}, nil
}
