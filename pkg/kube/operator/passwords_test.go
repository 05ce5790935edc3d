package operator

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// upsert writes when the operator set the passwords, relative to the client's clock.
func upsert(w *kubetest.World, name string, ago time.Duration, fields ...string) {
	w.Edit(kubetest.CassandraGroup, "cassandradatacenters", name, func(o map[string]any) {
		for _, field := range fields {
			kubetest.In(o, "status")[field] = w.Client.Now().Add(-ago).UTC().Format(time.RFC3339)
		}
	})
}

// refreshed is the annotation of a secret.
func refreshed(t *testing.T, w *kubetest.World, name string) string {
	t.Helper()
	var s corev1.Secret
	require.True(t, w.Read("", "secrets", name, &s))
	return s.Annotations["k8ssandra.io/refresh"]
}

func usersWorld(t *testing.T) *kubetest.World {
	t.Helper()
	w := kubetest.NewWorld(t)
	users := []any{map[string]any{"secretName": "app"}, map[string]any{"secretName": "app"}}
	w.PutDatacenter("prod", "dc1", 1, func(o map[string]any) { kubetest.In(o, "spec")["users"] = users })
	w.PutDatacenter("prod", "dc2", 1, func(o map[string]any) {
		kubetest.In(o, "spec")["users"] = []any{map[string]any{"secretName": "copy"}}
		kubetest.In(o, "metadata", "annotations")[objects.SkipUsersAnnotation] = "true"
	})
	for _, name := range []string{"app", "copy"} {
		w.Put("", "secrets", kubetest.Secret(name, "username", "u", "password", "s3cret"))
	}
	upsert(w, "dc1", time.Hour, "superUserUpserted", "usersUpserted")
	return w
}

func TestRenewPasswords(t *testing.T) {
	t.Parallel()
	for _, fields := range [][]string{{"usersUpserted"}, {"superUserUpserted"}, {"superUserUpserted", "usersUpserted"}} {
		w := usersWorld(t)
		kubetest.OnWait(w, map[int]func(){3: func() { upsert(w, "dc1", 0, fields...) }})
		var told []string
		require.NoError(t, operatorOf(w, Limits{}).RenewPasswords(t.Context(), func(m string) { told = append(told, m) }))
		require.Equal(t, []string{"waiting for cass-operator to set the passwords again: datacenter db/dc1: status.usersUpserted is still 2026-11-21T09:00:00Z: check that the operator is running"}, told)
		require.Equal(t, []string{"secrets/app", "secrets/prod-superuser"}, w.AskedOf("patch"))
		require.Equal(t, "2026-11-21T10:00:01Z", refreshed(t, w, "app"))
		require.Equal(t, "2026-11-21T10:00:01Z", refreshed(t, w, "prod-superuser"))
		require.Empty(t, refreshed(t, w, "copy"), "another datacenter writes its users")
	}
}

// What moved on may be of a round from before, or by a clock that is behind: the next
// round after that is sure.
func TestRenewPasswordsByAnotherClock(t *testing.T) {
	t.Parallel()
	w := usersWorld(t)
	patches := 0
	w.After = func(a kubetest.Asked) {
		if a.Verb == "patch" {
			if patches++; patches%2 == 0 {
				upsert(w, "dc1", 10*time.Minute, "usersUpserted")
			}
		}
	}
	require.NoError(t, operatorOf(w, Limits{}).RenewPasswords(t.Context(), func(string) {}))
	require.Equal(t, 4, patches)
	require.Equal(t, "2026-11-21T10:00:02Z", refreshed(t, w, "app"))

	w = usersWorld(t)
	upsert(w, "dc1", -10*time.Minute, "usersUpserted") // ahead
	w.After = func(a kubetest.Asked) {
		if a.Verb == "patch" {
			upsert(w, "dc1", -11*time.Minute, "usersUpserted")
		}
	}
	require.NoError(t, operatorOf(w, Limits{}).RenewPasswords(t.Context(), func(string) {}))
	require.Len(t, w.AskedOf("patch"), 2)
}

func TestRenewPasswordsEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(w *kubetest.World)
		code flow.Code
		want string
	}{
		{"nothing happens", func(*kubetest.World) {}, flow.HalfWay, "datacenter db/dc1: renew the passwords of roles: waited 2m0s for cass-operator to set the passwords again: datacenter db/dc1: status.usersUpserted is still 2026-11-21T09:00:00Z"},
		{"never done", func(w *kubetest.World) {
			kubetest.EditDatacenter(w, func(o map[string]any) {
				delete(kubetest.In(o, "status"), "usersUpserted")
				delete(kubetest.In(o, "status"), "superUserUpserted")
			})
		}, flow.HalfWay, "status.usersUpserted is still empty"},
		{"not ready", func(w *kubetest.World) {
			kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "status")["cassandraOperatorProgress"] = "Updating" })
		}, flow.HalfWay, `datacenter db/dc1 is still being changed by the operator (progress "Updating")`},
		{"no secret", func(w *kubetest.World) { w.Remove("", "secrets", "app") }, flow.Precondition, "the secret app is missing: restore it"},
		{"forbidden", func(w *kubetest.World) { w.Refuse = kubetest.Forbid("patch /secrets") }, flow.Failed, "may not patch secrets in namespace db"},
		{"gone", func(w *kubetest.World) {
			w.After = func(a kubetest.Asked) {
				if a.Verb == "patch" {
					w.Remove(kubetest.CassandraGroup, "cassandradatacenters", "dc1")
				}
			}
		}, flow.Failed, "it is gone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := usersWorld(t)
			c.edit(w)
			err := operatorOf(w, Limits{}).RenewPasswords(t.Context(), func(string) {})
			require.ErrorContains(t, err, c.want)
			require.Equal(t, c.code, flow.CodeOf(err))
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 1)
	require.ErrorContains(t, operatorOf(w, Limits{Passwords: 4 * time.Second}).RenewPasswords(t.Context(), func(string) {}), "waited 4s")
}
