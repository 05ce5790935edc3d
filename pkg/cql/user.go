package cql

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/apache/cassandra-gocql-driver/v2"

	"github.com/casshook/casshook/pkg/ring"
)

// User implements ring.CQL: what the session's user may do that depends on who he is.
func (s *Session) User(ctx context.Context) (ring.User, error) {
	asked := map[string]string{}
	var name, value string
	err := s.rows(ctx, "SELECT name, value FROM system_views.settings", []any{&name, &value}, func() {
		if setting, _, _ := strings.Cut(name, "."); (setting == "authenticator" || setting == "authorizer") && asked[setting] == "" {
			asked[setting] = value
		}
	})
	if unauthorized(err) {
		return ring.User{Name: s.user, Limited: true}, nil
	}
	if err != nil {
		return ring.User{}, err
	}
	user := ring.User{Name: s.user, Limited: !strings.Contains(asked["authorizer"], "AllowAll")}
	if s.user == "" || strings.Contains(asked["authenticator"], "AllowAll") {
		user.Superuser = true
		return user, nil
	}
	user.Superuser, err = s.superuser(ctx)
	return user, err
}

// unauthorized tells an error that no superuser gets: they may read all tables.
func unauthorized(err error) bool {
	var refused gocql.RequestError
	return errors.As(err, &refused) && refused.Code() == gocql.ErrCodeUnauthorized
}

// superuser tells whether a role is a superuser, itself or through a role that it has
// (org.apache.cassandra.auth.Roles.hasSuperuserStatus). Of a role that is not in the
// table, since another role manager keeps it, nothing is known: it counts as one.
func (s *Session) superuser(ctx context.Context) (bool, error) {
	super, memberOf := map[string]bool{}, map[string][]string{}
	var role string
	var is bool
	var of []string
	err := s.rowsAt(ctx, gocql.Quorum, "SELECT role, is_superuser, member_of FROM system_auth.roles", []any{&role, &is, &of}, func() {
		super[role], memberOf[role] = is, slices.Clone(of)
	})
	if unauthorized(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if _, found := super[s.user]; !found {
		return true, nil
	}
	roles := []string{s.user}
	for i := 0; i < len(roles); i++ {
		if super[roles[i]] {
			return true, nil
		}
		for _, next := range memberOf[roles[i]] {
			if !slices.Contains(roles, next) {
				roles = append(roles, next)
			}
		}
	}
	return false, nil
}
