package ringtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/schema"
)

// coordinator is CQL at one node.
type coordinator struct {
	ring *Ring
	node string
}

var _ ring.CQL = coordinator{}

func (s seams) login(_ context.Context, _ ring.Dialer, n ring.Node, credentials ring.Credentials) (ring.CQL, error) {
	what := "login as " + credentials.Username
	if n.Name != s.nodes[0].Name {
		what = further + what
	}
	return coordinator{s.Ring, n.Name}, s.do(CQL, "", what, s.runs)
}

// further begins what nodes are asked one by one, which flows can do without.
const further = "node by node: "

// ask is one question to the coordinator.
func ask[R any](c coordinator, what string, answer func() R) (R, error) {
	var result R
	err := c.ring.do(CQL, "", what, func() error {
		c.ring.mu.Lock()
		defer c.ring.mu.Unlock()
		c.ring.statements++
		result = answer()
		return nil
	})
	if err != nil {
		var none R
		return none, err
	}
	return result, nil
}

// Ring implements ring.CQL.
func (c coordinator) Ring(context.Context) (ring.Topology, error) {
	return ask(c, "ring", func() ring.Topology {
		return ring.Topology{ClusterName: Cluster, Members: c.ring.members(), SchemaVersions: map[string][]string{c.ring.schemaVersion(): {"all"}}}
	})
}

// SchemaVersion implements ring.CQL.
func (c coordinator) SchemaVersion(context.Context) (string, error) {
	return ask(c, "schema version", c.ring.schemaVersion)
}

// WaitAgreement implements ring.CQL.
func (c coordinator) WaitAgreement(context.Context, time.Duration) (string, error) {
	return ask(c, "wait for agreement", c.ring.schemaVersion)
}

// Describe implements ring.CQL: keyspaces first, then what is in them.
func (c coordinator) Describe(context.Context) ([]schema.Row, error) {
	return ask(c, "describe", func() []schema.Row {
		rows := slices.Clone(c.ring.schema.Rows)
		slices.SortStableFunc(rows, func(a, b schema.Row) int { return strings.Compare(kindOrder(a.Type), kindOrder(b.Type)) })
		return rows
	})
}

func kindOrder(kind string) string {
	order := map[string]string{"keyspace": "0", "table": "1"}
	if at, ok := order[kind]; ok {
		return at
	}
	return kind
}

// Extras implements ring.CQL.
func (c coordinator) Extras(context.Context) (schema.Extras, error) {
	return ask(c, "extras", func() schema.Extras { return c.ring.extras })
}

// Tables implements ring.CQL.
func (c coordinator) Tables(context.Context) ([]document.TableRef, error) {
	return ask(c, "tables", func() []document.TableRef { return slices.Clone(c.ring.schema.Tables) })
}

// Keyspaces implements ring.CQL.
func (c coordinator) Keyspaces(context.Context) ([]document.Keyspace, error) {
	return ask(c, "keyspaces", func() []document.Keyspace {
		replication := map[string]string{"class": "org.apache.cassandra.locator.NetworkTopologyStrategy", "dc1": "3"}
		found := []document.Keyspace{{Name: "system_auth", Replication: replication, Durable: true}}
		for _, row := range c.ring.schema.Rows {
			if row.Type == "keyspace" {
				found = append(found, document.Keyspace{Name: row.Keyspace, Replication: replication, Durable: true})
			}
		}
		return found
	})
}

// NodeSettings implements ring.CQL.
func (c coordinator) NodeSettings(context.Context) (ring.NodeSettings, error) {
	return ask(c, further+"settings of "+c.node, func() ring.NodeSettings { return c.ring.called(c.node).settings })
}

// Settings implements ring.CQL.
func (c coordinator) Settings(context.Context) (map[string]string, error) {
	return ask(c, "settings", func() map[string]string {
		settings := map[string]string{
			"materialized_views_enabled": "true", "user_defined_functions_enabled": "true", "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
			"storage_compatibility_mode": "NONE", "auto_snapshot": "true",
		}
		maps.Copy(settings, c.ring.settings)
		return settings
	})
}

// Guarded has the session be of an ordinary user, for whom settings hold.
func (r *Ring) Guarded(settings map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ordinary, r.settings = true, settings
}

// Disagree has system_schema name what DESCRIBE does not.
func (r *Ring) Disagree(extras schema.Extras) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.extras = extras
}

// User implements ring.CQL.
func (c coordinator) User(context.Context) (ring.User, error) {
	return ask(c, "user", func() ring.User { return ring.User{Name: "keeper", Superuser: !c.ring.ordinary} })
}

// Roles implements ring.CQL.
func (c coordinator) Roles(context.Context) ([]string, error) {
	return ask(c, "roles", func() []string { return slices.Sorted(slices.Values(c.ring.schema.Roles)) })
}

// Grants implements ring.CQL.
func (c coordinator) Grants(context.Context) ([]schema.Grant, error) {
	return ask(c, "grants", c.ring.granted)
}

func (r *Ring) granted() []schema.Grant {
	var found []schema.Grant
	for _, key := range slices.Sorted(maps.Keys(r.schema.Grants)) {
		found = append(found, r.schema.Grants[key])
	}
	return found
}

// Exec implements ring.CQL.
func (c coordinator) Exec(_ context.Context, statement string) error {
	return c.ring.do(CQL, "", statement, func() error {
		c.ring.mu.Lock()
		defer c.ring.mu.Unlock()
		c.ring.statements++
		c.ring.executed = append(c.ring.executed, statement)
		if c.ring.refused != "" && strings.HasPrefix(statement, c.ring.refused) {
			return fmt.Errorf("refused: %s", statement)
		}
		return c.ring.execute(statement)
	})
}

// Count implements ring.CQL: all tables and views have as many rows, unless Counts
// says otherwise.
func (c coordinator) Count(_ context.Context, query string) (int64, error) {
	return ask(c, query, func() int64 {
		for part, n := range c.ring.counts {
			if strings.Contains(query, part) {
				return n
			}
		}
		return 1
	})
}

// Building has all nodes say that they build a view, or that no view is being built.
func (r *Ring) Building(views ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.building = views
}

// Counts has counts whose text has a part find that many rows; all others find one.
func (r *Ring) Counts(counts map[string]int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts = counts
}

// ViewBuilds implements ring.CQL.
func (c coordinator) ViewBuilds(context.Context) (ring.ViewBuilds, error) {
	return ask(c, "view builds", func() ring.ViewBuilds {
		builds := ring.ViewBuilds{}
		for _, row := range c.ring.schema.Rows {
			for _, m := range c.ring.members() {
				if row.Type == "materialized_view" {
					builds.Set(document.TableName{Keyspace: row.Keyspace, Name: row.Name}, m.HostID, !slices.Contains(c.ring.building, row.Name))
				}
			}
		}
		return builds
	})
}

// Statements implements ring.CQL.
func (c coordinator) Statements() int64 {
	c.ring.mu.Lock()
	defer c.ring.mu.Unlock()
	return c.ring.statements
}

// Close implements ring.CQL.
func (c coordinator) Close() {}

// Refuse has the ring refuse statements that begin with a text; none where it is empty.
func (r *Ring) Refuse(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = text
}

// Statements counts the statements with a text that were executed.
func (r *Ring) Statements(text string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, s := range r.executed {
		if strings.Contains(s, text) {
			n++
		}
	}
	return n
}
