package zoo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

// builder carries what the steps of Create and Damage share.
type builder struct {
	Options
	vars      map[string]string
	has       []string
	inventory Inventory
	// last is the verb of the last DDL sent since the nodes last agreed.
	last string
}

func newBuilder(ctx context.Context, o Options) (*builder, error) {
	if o.Scale == "" {
		o.Scale = Normal
	}
	dc, err := datacenter(ctx, o.Session)
	if err != nil {
		return nil, err
	}
	b := &builder{Options: o, vars: vars(dc, o.Nodes)}
	b.has, b.inventory.Skipped = Features(o.Version, o.Flavour, o.Without)
	return b, nil
}

// Create builds the zoo in a cluster that has none of its keyspaces and roles.
// It is not to be repeated after an error: drop what is there, or take a new
// cluster. When it returns nil, all nodes have one schema version, all replicas
// have all rows, and views are complete.
func Create(ctx context.Context, o Options) (Inventory, error) {
	b, err := newBuilder(ctx, o)
	if err != nil {
		return Inventory{}, fmt.Errorf("create zoo: %w", err)
	}
	steps := []struct {
		name string
		run  func(context.Context) error
	}{
		{"schema", b.file("schema.cql", b.each)},
		{"roles", b.file("roles.cql", b.each)},
		{"agreement on the schema", b.agree},
		{"generated rows", b.fill},
		{"first flush", b.flush("dropped_col", "readded_col", "recreated", "tombstones", "ttls", "udts", "users", "orders", "counters", "collections")},
		{"reshaped tables", b.file("reshape.cql", b.each)},
		{"agreement on the reshaped tables", b.agree},
		{"rows of the table created again", b.refill},
		{"special rows", b.file("rows.cql", b.each)},
		{"second flush", b.flush("tombstones", "users", "lwt", "sasi_people", "sai_people", "vectors", "orders")},
		{"many SSTables", b.manySSTables},
		{"views", b.awaitViews},
	}
	for _, step := range steps {
		start := time.Now()
		if err := step.run(ctx); err != nil {
			return b.inventory, fmt.Errorf("create zoo: %s: %w", step.name, err)
		}
		b.inventory.Steps = append(b.inventory.Steps, Step{Name: step.name, Took: time.Since(start)})
	}
	return b.inventory, nil
}

// file makes a step of a statement file.
func (b *builder) file(name string, run func(context.Context, statement) error) func(context.Context) error {
	return func(ctx context.Context) error {
		list, err := load(name, b.vars)
		if err != nil {
			return err
		}
		for _, s := range list {
			if need, missing := s.missing(b.has); missing {
				b.skip(need, s.words)
				continue
			}
			if err := run(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", s.words, err)
			}
		}
		return nil
	}
}

// skip records a left-out statement under its feature.
func (b *builder) skip(feature, words string) {
	for i, s := range b.inventory.Skipped {
		if s.Feature == feature {
			b.inventory.Skipped[i].Items = append(s.Items, words)
			return
		}
	}
	b.inventory.Skipped = append(b.inventory.Skipped, Skip{Feature: feature, Why: "not known", Items: []string{words}})
}

// each sends one statement. Statements of one verb follow each other without a
// wait. Before another verb all nodes must have one schema, since pushes to the
// other nodes overtake each other: a node that gets an index before its table
// throws MissingColumns, one that gets a view before its base ignores the view
// ("Not adding view"), and one that gets a write before its table refuses it
// (INCOMPATIBLE_SCHEMA).
func (b *builder) each(ctx context.Context, s statement) error {
	verb := s.verb()
	if verb != b.last {
		if err := b.agree(ctx); err != nil {
			return err
		}
	}
	b.inventory.Statements++
	if err := exec(ctx, b.Session, s.cql); err != nil {
		return err
	}
	if !s.write() {
		b.last = verb
	}
	if verb == createView {
		return b.awaitBuild(ctx)
	}
	return nil
}

func (b *builder) agree(ctx context.Context) error {
	if b.last == "" {
		return nil
	}
	b.last = ""
	if b.Agree != nil {
		return b.Agree(ctx)
	}
	return agree(ctx, b.Session)
}

// awaitBuild waits until every node has built every view. The next change of
// that keyspace would otherwise stop the schema of the ring for good: it holds
// the lock of the schema while it waits for the view's builder to stop, and the
// builder waits for all nodes to have one schema (5.0.9: ViewBuilder.stop below
// Schema.mergeAndUpdateVersion, "Failed to get schema to converge before
// building view" every ten seconds, until a restart).
func (b *builder) awaitBuild(ctx context.Context) error {
	if err := b.agree(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		building, err := unbuilt(ctx, b.Session, b.Nodes)
		if err != nil {
			return fmt.Errorf("read view_build_status: %w", err)
		}
		if len(building) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the build of %s: %w", strings.Join(building, ", "), ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// unbuilt lists the views that not all nodes call built.
func unbuilt(ctx context.Context, session *gocql.Session, nodes int) ([]string, error) {
	c, err := readCatalog(ctx, session)
	if err != nil {
		return nil, err
	}
	built := map[string]int{}
	iter := query(session, "SELECT keyspace_name, view_name, status FROM system_distributed.view_build_status").Consistency(gocql.One).IterContext(ctx)
	var keyspace, name, status string
	for iter.Scan(&keyspace, &name, &status) {
		if status == "SUCCESS" {
			built[keyspace+"."+name]++
		}
	}
	var list []string
	for _, t := range c.tables {
		if t.view && built[t.String()] < nodes {
			list = append(list, t.String())
		}
	}
	return list, iter.Close()
}

// keyspaces are the zoo's own, where rows may be written.
func keyspaces() []string {
	return []string{"zoo", "zoo_rf1", "zoo_rf2", "MixedKs", "select", "my_system_x", "systemx", "zoo_volatile", "zoo_views", "zoo_doomed"}
}

// generated are the tables that get generated rows. The others have their rows
// from statement files, or none.
func generated(c *catalog) []table {
	return slices.DeleteFunc(slices.Clone(c.tables), func(t table) bool {
		switch t.String() {
		case "zoo.empty_table", "zoo.lwt", "zoo.many_sstables":
			return true
		}
		return t.view || !slices.Contains(keyspaces(), t.keyspace)
	})
}

func (b *builder) fill(ctx context.Context) error {
	c, err := readCatalog(ctx, b.Session)
	if err != nil {
		return err
	}
	tables := generated(c)
	b.inventory.Rows += len(tables) * b.Scale.rows()
	return c.fill(ctx, b.Session, tables, b.Scale.rows())
}

func (b *builder) refill(ctx context.Context) error {
	c, err := readCatalog(ctx, b.Session)
	if err != nil {
		return err
	}
	b.inventory.Rows += b.Scale.rows()
	return c.fill(ctx, b.Session, []table{c.find("zoo.recreated")}, b.Scale.rows())
}

// flush makes a step that flushes tables of the keyspace zoo.
func (b *builder) flush(tables ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		if b.Flush == nil {
			b.skip("flush", "on disk before what follows: "+strings.Join(tables, ", "))
			return nil
		}
		c, err := readCatalog(ctx, b.Session)
		if err != nil {
			return err
		}
		for _, t := range tables {
			if c.find("zoo."+t).name == "" {
				continue // of a feature that is skipped
			}
			if err := b.Flush(ctx, "zoo", t); err != nil {
				return fmt.Errorf("flush zoo.%s: %w", t, err)
			}
		}
		return nil
	}
}

// manySSTables writes rows of which each SSTable overwrites some of the last,
// and a large blob. Nothing compacts that table.
func (b *builder) manySSTables(ctx context.Context) error {
	large := fmt.Sprintf("INSERT INTO zoo.blobs (id, b) VALUES (5002, 0x%s) USING TIMESTAMP %d", strings.Repeat("00ff3b27", 50_000), baseTime)
	if err := exec(ctx, b.Session, large); err != nil {
		return fmt.Errorf("write large blob: %w", err)
	}
	if b.Flush == nil {
		b.skip("flush", "many SSTables of zoo.many_sstables")
	}
	t := table{keyspace: "zoo", name: "many_sstables"}
	for i := range b.Scale.flushes() {
		var rows []string
		for k := range 6 {
			rows = append(rows, fmt.Sprintf("INSERT INTO zoo.many_sstables (pk, ck, v) VALUES (%d, %d, 'flush %d') USING TIMESTAMP %d", k%3, i+k, i, baseTime+int64(i)))
		}
		if err := send(ctx, b.Session, t, rows); err != nil {
			return err
		}
		if b.Flush == nil {
			continue
		}
		if err := b.Flush(ctx, t.keyspace, t.name); err != nil {
			return fmt.Errorf("flush %s: %w", t, err)
		}
	}
	return nil
}

// awaitViews waits until each view of the zoo has as many rows as its base:
// view replicas are written after the base's have answered. Every row of the
// zoo's base tables is in all its views.
func (b *builder) awaitViews(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, pair := range [][2]string{
		{"zoo.orders", "zoo.orders_by_status"},
		{"zoo.orders", "zoo.orders_by_id"},
		{"zoo_views.base", "zoo_views.base_by_v"},
		{`"MixedKs"."MixedTable"`, `"MixedKs"."MixedView"`},
	} {
		if !slices.Contains(b.has, "views") {
			return nil
		}
		if err := awaitView(ctx, b.Session, pair[0], pair[1]); err != nil {
			return err
		}
	}
	return nil
}

func awaitView(ctx context.Context, session *gocql.Session, base, view string) error {
	for {
		var want, got int64
		if err := query(session, "SELECT count(*) FROM "+base).ScanContext(ctx, &want); err != nil {
			return fmt.Errorf("count %s: %w", base, err)
		}
		if err := query(session, "SELECT count(*) FROM "+view).ScanContext(ctx, &got); err != nil {
			return fmt.Errorf("count %s: %w", view, err)
		}
		if want == got {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("view %s has %d of %d rows: %w", view, got, want, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
