package ringtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/casshook/casshook/pkg/agent/apitest"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/schema"
)

// cassandra is one node as its Management API shows it.
type cassandra struct {
	ring *Ring
	node *node
}

// serve answers what is no refresh.
func (c cassandra) serve(w http.ResponseWriter, req *http.Request) {
	c.ring.mu.Lock()
	defer c.ring.mu.Unlock()
	if c.ring.stopped {
		apitest.Answer(http.StatusInternalServerError, "Cassandra does not run")(w, req)
		return
	}
	var answer any
	var err error
	switch req.URL.Path {
	case apitest.Endpoints:
		answer = map[string]any{"entity": c.endpoints()}
	case apitest.SchemaVersions:
		answer = map[string][]string{c.ring.schemaVersion(): {"all"}}
	case apitest.Snapshots:
		var args struct {
			Name string `json:"snapshot_name"`
		}
		if req.Method == http.MethodDelete { // what is left to the agent
			break
		}
		if err = json.NewDecoder(req.Body).Decode(&args); err == nil {
			err = c.snapshot(args.Name)
		}
	}
	if err == nil && answer != nil {
		err = json.NewEncoder(w).Encode(answer)
	}
	if err != nil {
		apitest.Answer(http.StatusInternalServerError, err.Error())(w, req)
	}
}

func (c cassandra) endpoints() []map[string]string {
	var found []map[string]string
	for _, m := range c.ring.members() {
		found = append(found, map[string]string{
			"ENDPOINT_IP": m.Address, "HOST_ID": m.HostID, "DC": m.Datacenter, "RACK": m.Rack, "IS_ALIVE": fmt.Sprint(!c.ring.down[m.HostID]),
			"IS_LOCAL": fmt.Sprint(m.HostID == c.node.hostID), "STATUS_WITH_PORT": "NORMAL,1", "RELEASE_VERSION": m.Release,
		})
	}
	return found
}

func (c cassandra) snapshot(tag string) error {
	for _, t := range c.ring.schema.Tables {
		if err := snapshot(c.node.data(), t, tag); err != nil {
			return err
		}
	}
	return nil
}

func (r *Ring) members() []document.Member {
	var found []document.Member
	for i, n := range r.nodes {
		found = append(found, document.Member{
			HostID: n.hostID, Address: fmt.Sprintf("10.0.0.%d", i+1), Datacenter: "dc1", Rack: fmt.Sprintf("r%d", i+1), Tokens: []string{n.token}, Release: Release,
		})
	}
	return append(found, r.joined...)
}

// schemaVersion is that of all nodes.
func (r *Ring) schemaVersion() string {
	return fmt.Sprintf("00000000-0000-3000-8000-%012d", r.version)
}

// A statement of the schema, of data, or of permissions.
var (
	ddl   = regexp.MustCompile(`(?s)^(CREATE|ALTER|DROP|TRUNCATE) (KEYSPACE|TABLE|MATERIALIZED VIEW|INDEX) (?:IF (?:NOT )?EXISTS )?([\w.]+)`)
	grant = regexp.MustCompile(`^(GRANT|REVOKE) (\w+) ON (?:TABLE |KEYSPACE )?([\w.]+) (?:TO|FROM) "?(\w+)"?$`)
	role  = regexp.MustCompile(`^(CREATE|DROP) ROLE (\w+)$`)
)

// execute is what a coordinator does with a statement.
func (r *Ring) execute(statement string) error {
	if err := r.apply(statement); err != nil {
		return err
	}
	return r.save()
}

func (r *Ring) apply(statement string) error {
	if m := grant.FindStringSubmatch(statement); m != nil {
		g := schema.Grant{Role: m[4], Resource: "data/" + strings.ReplaceAll(m[3], ".", "/"), Permissions: []string{m[2]}}
		if keyspace, table, _ := strings.Cut(m[3], "."); table != "" && !slices.ContainsFunc(r.schema.Tables, func(t document.TableRef) bool {
			return t.TableName == document.TableName{Keyspace: keyspace, Name: table}
		}) {
			return fmt.Errorf("resource <table %s> doesn't exist", m[3])
		}
		if !slices.Contains(r.schema.Roles, g.Role) {
			return fmt.Errorf("role %s doesn't exist", g.Role)
		}
		return r.change(m[1] == "GRANT", g)
	}
	if m := role.FindStringSubmatch(statement); m != nil {
		r.schema.Roles = slices.DeleteFunc(r.schema.Roles, func(name string) bool { return name == m[2] })
		if m[1] == "CREATE" {
			r.schema.Roles = append(r.schema.Roles, m[2])
		}
		return nil
	}
	m := ddl.FindStringSubmatch(statement)
	if m == nil {
		return fmt.Errorf("no statement that this Cassandra knows: %s", statement)
	}
	keyspace, name, _ := strings.Cut(m[3], ".")
	if name == "" {
		name = keyspace
	}
	if m[1] == "TRUNCATE" {
		return r.truncate(keyspace, name)
	}
	r.version++
	kind := strings.ToLower(strings.ReplaceAll(m[2], " ", "_"))
	switch m[1] {
	case "DROP":
		return r.drop(kind, keyspace, name)
	case "ALTER":
		return r.alter(kind, keyspace, name, statement)
	}
	return r.create(schema.Row{Keyspace: keyspace, Type: kind, Name: name, Statement: strings.TrimSuffix(statement, ";") + ";"})
}

// permission is a grant as a key: of one permission.
func permission(g schema.Grant) string { return g.Role + " " + g.Resource + " " + g.Permissions[0] }

func (r *Ring) change(given bool, g schema.Grant) error {
	if given {
		r.schema.Grants[permission(g)] = g
	} else {
		delete(r.schema.Grants, permission(g))
	}
	return nil
}

func (r *Ring) truncate(keyspace, name string) error {
	t, ok := r.table(keyspace, name)
	if !ok {
		return fmt.Errorf("table %s.%s does not exist", keyspace, name)
	}
	return r.emptyAll(t, "truncated")
}

// emptyAll empties a table on all nodes.
func (r *Ring) emptyAll(t document.TableRef, why string) error {
	r.next++
	for _, n := range r.nodes {
		if err := empty(n.data(), t, fmt.Sprintf("%s-%d-%s", why, r.next, t.Name)); err != nil {
			return err
		}
	}
	return nil
}

func (r *Ring) create(row schema.Row) error {
	same := func(o schema.Row) bool { return o.Keyspace == row.Keyspace && o.Type == row.Type && o.Name == row.Name }
	if slices.ContainsFunc(r.schema.Rows, same) {
		return fmt.Errorf("%s %s.%s exists", row.Type, row.Keyspace, row.Name)
	}
	r.schema.Rows = append(r.schema.Rows, row)
	if view := row.Type == "materialized_view"; view || row.Type == "table" {
		r.schema.Tables = append(r.schema.Tables, document.TableRef{TableName: document.TableName{Keyspace: row.Keyspace, Name: row.Name}, ID: r.newID(), GCGraceSeconds: 864000, View: view})
		r.makeDirs()
	}
	return nil
}

// alter gives an object other options, all of them at once.
func (r *Ring) alter(kind, keyspace, name, statement string) error {
	for i, row := range r.schema.Rows {
		if row.Type == kind && row.Keyspace == keyspace && row.Name == name {
			body, _, _ := strings.Cut(row.Statement, " WITH ")
			_, options, _ := strings.Cut(strings.TrimSuffix(statement, ";"), " WITH ")
			r.schema.Rows[i].Statement = body + " WITH " + options + ";"
			return nil
		}
	}
	return fmt.Errorf("%s %s.%s does not exist", kind, keyspace, name)
}

func (r *Ring) drop(kind, keyspace, name string) error {
	r.schema.Rows = slices.DeleteFunc(r.schema.Rows, func(o schema.Row) bool {
		return o.Keyspace == keyspace && (kind == "keyspace" || o.Type == kind && o.Name == name)
	})
	gone := func(t document.TableRef) bool {
		return t.Keyspace == keyspace && (kind == "keyspace" || t.Name == name)
	}
	for _, t := range r.schema.Tables {
		if gone(t) {
			if err := r.emptyAll(t, "dropped"); err != nil {
				return err
			}
			r.revokeAll("data/" + t.Keyspace + "/" + t.Name)
		}
	}
	r.schema.Tables = slices.DeleteFunc(r.schema.Tables, gone)
	return nil
}

// revokeAll is what Cassandra does when it drops a table.
func (r *Ring) revokeAll(resource string) {
	for key, g := range r.schema.Grants {
		if g.Resource == resource {
			delete(r.schema.Grants, key)
		}
	}
}

// Orphan leaves a permission whose object, or role, is gone, as a revocation does that
// fails at a DROP; Forget removes it again.
func (r *Ring) Orphan(role, resource string) { r.orphan(role, resource, true) }

// Forget removes what Orphan left.
func (r *Ring) Forget(role, resource string) { r.orphan(role, resource, false) }

func (r *Ring) orphan(role, resource string, given bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.change(given, schema.Grant{Role: role, Resource: resource, Permissions: []string{"SELECT"}})
}
