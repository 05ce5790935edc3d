package schema

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Grant is a row of system_auth.role_permissions.
type Grant struct {
	// Role is the unquoted name of the role that has the permissions.
	Role string `json:"role"`
	// Resource is as Cassandra stores it: data, data/ks, data/ks/* (all tables
	// of ks, 4.1+), data/ks/table, functions, functions/ks, functions/ks/f[types],
	// roles, roles/r, mbean, mbean/name; names unquoted
	// (org.apache.cassandra.auth.{DataResource,FunctionResource,RoleResource,JMXResource}).
	Resource string `json:"resource"`
	// Permissions are upper-case names such as SELECT.
	Permissions []string `json:"permissions"`
}

// GrantStep is one GRANT or REVOKE statement.
type GrantStep struct {
	Role, Resource, Permission string
	// Statement has no closing semicolon.
	Statement string
}

// CompareGrants gives the statements that turn the live permissions into those
// of the backup, for resources that inScope selects: one statement per
// permission, since versions before 5.0 take no list. Both are ordered by
// resource, role and permission. The error names every resource in scope that
// differs and cannot be written as CQL; the other statements are returned with
// it.
func CompareGrants(backup, live []Grant, inScope func(resource string) bool) (grant, revoke []GrantStep, err error) {
	before, now := permissions(backup, inScope), permissions(live, inScope)
	grant, errGrant := grantSteps(before, now, "GRANT %s ON %s TO %s")
	revoke, errRevoke := grantSteps(now, before, "REVOKE %s ON %s FROM %s")
	return grant, revoke, errors.Join(errGrant, errRevoke)
}

// permissions flattens grants.
func permissions(grants []Grant, inScope func(string) bool) map[GrantStep]bool {
	out := map[GrantStep]bool{}
	for _, g := range grants {
		if !inScope(g.Resource) {
			continue
		}
		for _, p := range g.Permissions {
			out[GrantStep{Role: g.Role, Resource: g.Resource, Permission: p}] = true
		}
	}
	return out
}

// grantSteps writes a statement for each entry that the other set lacks.
func grantSteps(have, other map[GrantStep]bool, format string) ([]GrantStep, error) {
	var out []GrantStep
	var problems []error
	for step := range have {
		if other[step] {
			continue
		}
		resource, err := ResourceCQL(step.Resource)
		if err == nil && strings.Trim(step.Permission, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") != "" {
			err = fmt.Errorf("unknown permission %q", step.Permission)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("permission of role %s: %w", Quote(step.Role), err))
			continue
		}
		step.Statement = fmt.Sprintf(format, step.Permission, resource, Quote(step.Role))
		out = append(out, step)
	}
	slices.SortFunc(out, func(a, b GrantStep) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Role, b.Role), cmp.Compare(a.Permission, b.Permission))
	})
	return out, errors.Join(sortErrors(problems)...)
}

// ResourceCQL writes a stored resource as GRANT and REVOKE take it, for example
// TABLE "Ks".t for data/Ks/t.
func ResourceCQL(resource string) (string, error) {
	root, rest, nested := strings.Cut(resource, "/")
	switch root {
	case "data":
		return dataCQL(resource, strings.Split(resource, "/"))
	case "functions":
		return functionsCQL(strings.SplitN(resource, "/", 3))
	case "roles":
		if !nested {
			return "ALL ROLES", nil
		}
		return "ROLE " + Quote(rest), nil
	case "mbean":
		if !nested {
			return "ALL MBEANS", nil
		}
		return "MBEAN " + literal(rest), nil
	}
	return "", fmt.Errorf("unknown resource %q", resource)
}

func dataCQL(resource string, parts []string) (string, error) {
	switch {
	case len(parts) == 1:
		return "ALL KEYSPACES", nil
	case len(parts) == 2:
		return "KEYSPACE " + Quote(parts[1]), nil
	case len(parts) == 3 && parts[2] == "*":
		return "ALL TABLES IN KEYSPACE " + Quote(parts[1]), nil
	case len(parts) == 3:
		return "TABLE " + qualified(parts[1], parts[2]), nil
	}
	return "", fmt.Errorf("unknown resource %q", resource)
}

func functionsCQL(parts []string) (string, error) {
	switch len(parts) {
	case 1:
		return "ALL FUNCTIONS", nil
	case 2:
		return "ALL FUNCTIONS IN KEYSPACE " + Quote(parts[1]), nil
	}
	name, args, err := functionResource(parts[2])
	if err != nil {
		return "", err
	}
	var kinds []string
	for _, arg := range args {
		kind, err := TypeCQL(arg)
		if err != nil {
			return "", fmt.Errorf("function %s: %w", qualified(parts[1], name), err)
		}
		kinds = append(kinds, kind)
	}
	return "FUNCTION " + qualified(parts[1], name) + "(" + strings.Join(kinds, ", ") + ")", nil
}

// functionResource cuts name[type^type]; the types are class names
// (org.apache.cassandra.auth.FunctionResource.getName).
func functionResource(text string) (name string, args []string, err error) {
	at := strings.LastIndexByte(text, '[')
	if at < 0 || !strings.HasSuffix(text, "]") {
		return "", nil, fmt.Errorf("function resource %q has no types", text)
	}
	inner := text[at+1 : len(text)-1]
	if inner == "" {
		return text[:at], nil, nil
	}
	return text[:at], strings.Split(inner, "^"), nil
}

// HasResource tells whether the schema has the object of a stored resource. Cassandra
// leaves permissions behind when revoking them fails at a DROP. Of functions the name
// and the number of arguments are compared, since their types are written in two ways.
func (s *Schema) HasResource(resource string) bool {
	parts := strings.SplitN(resource, "/", 3)
	if len(parts) < 2 || parts[0] != "data" && parts[0] != "functions" {
		return true
	}
	keyspace := parts[1]
	switch {
	case s.Lookup(KeyspaceRef(keyspace)) == nil:
		return false
	case len(parts) == 2 || parts[2] == "*":
		return true
	case parts[0] == "data":
		return s.Lookup(TableRef(keyspace, parts[2])) != nil || s.Lookup(ViewRef(keyspace, parts[2])) != nil
	}
	name, args, err := functionResource(parts[2])
	return err == nil && slices.ContainsFunc(s.Of(keyspace, KindFunction, KindAggregate), func(o *Object) bool {
		return o.Ref.Name == name && o.Ref.arity() == len(args)
	})
}

// arity is the number of arguments of a function.
func (r Ref) arity() int {
	tokens, err := code(r.Args)
	if err != nil {
		return 0
	}
	return len(splitAt(tokens, ","))
}

// OfExisting leaves out the grants on objects that the schema does not have.
func (s *Schema) OfExisting(grants []Grant) []Grant {
	var found []Grant
	for _, g := range grants {
		if s.HasResource(g.Resource) {
			found = append(found, g)
		}
	}
	return found
}

// GrantInScope tells whether a stored resource is an object in scope: a table or
// view in scope, a keyspace or its functions when the whole keyspace is, and a
// function that the Diff touches. The roots (data, functions), roles and mbeans
// are not: DROP does not revoke there.
func (d *Diff) GrantInScope(resource string) bool {
	parts := strings.SplitN(resource, "/", 3)
	if len(parts) < 2 {
		return false
	}
	keyspace := parts[1]
	switch {
	case parts[0] != "data" && parts[0] != "functions":
		return false
	case len(parts) == 2 || parts[2] == "*":
		return d.Scope.Full(keyspace)
	case parts[0] == "data":
		return d.Scope.Contains(keyspace, parts[2])
	}
	name, _, err := functionResource(parts[2])
	return d.Scope.Full(keyspace) || err == nil && slices.ContainsFunc(d.Changes, func(ch *Change) bool {
		callable := ch.Ref.Kind == KindFunction || ch.Ref.Kind == KindAggregate
		return callable && ch.Ref.Keyspace == keyspace && ch.Ref.Name == name
	})
}
