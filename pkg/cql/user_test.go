package cql

import (
	"testing"

	"github.com/apache/cassandra-gocql-driver/v2"
	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/ring"
)

// Who a session belongs to decides whether guardrails hold for it.
func TestUser(t *testing.T) {
	t.Parallel()
	const selectRoles = "SELECT role, is_superuser, member_of FROM system_auth.roles"
	password := func(s *standIn) {
		s.add("system_views.settings", "authenticator", "PasswordAuthenticator")
		s.add("system_views.settings", "authorizer.class_name", "CassandraAuthorizer")
	}
	for _, tt := range []struct {
		name string
		edit func(s *standIn)
		want ring.User
	}{
		{"a superuser", func(s *standIn) { s.add("system_auth.roles", "admin", true, true, nil) }, ring.User{Superuser: true, Limited: true}},
		{"an ordinary user", func(s *standIn) { s.add("system_auth.roles", "admin", true, false, nil) }, ring.User{Limited: true}},
		{"a superuser by a role of a role", func(s *standIn) {
			s.add("system_auth.roles", "admin", true, false, []string{"other", "dba"})
			s.add("system_auth.roles", "dba", false, false, []string{"admin", "root"})
			s.add("system_auth.roles", "root", false, true, nil)
		}, ring.User{Superuser: true, Limited: true}},
		{"a superuser of others", func(s *standIn) {
			s.add("system_auth.roles", "admin", true, false, nil)
			s.add("system_auth.roles", "root", true, true, []string{"admin"})
		}, ring.User{Limited: true}},
		{"kept elsewhere", func(s *standIn) { s.add("system_auth.roles", "root", true, true, nil) }, ring.User{Superuser: true, Limited: true}},
		{"may not read roles", func(s *standIn) {
			s.set(selectRoles, always(&failure{code: gocql.ErrCodeUnauthorized, message: "no SELECT permission"}))
		}, ring.User{Limited: true}},
		{"may not read settings", func(s *standIn) {
			s.set("SELECT name, value FROM system_views.settings", always(&failure{code: gocql.ErrCodeUnauthorized, message: "no SELECT permission"}))
		}, ring.User{Limited: true}},
		{"who may do all", func(s *standIn) {
			s.tables["system_views.settings"].rows[1] = []any{"authorizer", "AllowAllAuthorizer"}
			s.add("system_auth.roles", "admin", true, false, nil)
		}, ring.User{}},
		{"nobody logs in", func(s *standIn) {
			s.tables["system_views.settings"].rows[0] = []any{"authenticator.class_name", "org.apache.cassandra.auth.AllowAllAuthenticator"}
			s.add("system_auth.roles", "admin", true, false, nil)
		}, ring.User{Superuser: true, Limited: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStandIn("5.0.9")
			password(s)
			tt.edit(s)
			got, err := login(t, s).User(t.Context())
			require.NoError(t, err)
			tt.want.Name = "admin"
			require.Equal(t, tt.want, got)
		})
	}
}
