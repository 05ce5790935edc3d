package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// refreshAnnotation on a secret has cass-operator, which watches it, set the passwords
// of roles again. k8ssandra-operator does the same after a restore of its own
// (pkg/medusa/refresh_secrets.go).
const refreshAnnotation = "k8ssandra.io/refresh"

// RenewPasswords implements ring.Passwords: the operator writes the passwords of the
// superuser's secret and of those of spec.users into the ring again. A datacenter whose
// users are another's affair has nothing to renew.
func (o *Ring) RenewPasswords(ctx context.Context, progress func(string)) error {
	ds, err := o.ring.Refresh(ctx)
	if err != nil {
		return flow.Fail(flow.Precondition, err)
	}
	for _, d := range ds {
		if d.Annotations[objects.SkipUsersAnnotation] == "true" {
			continue
		}
		if err := o.renewPasswords(ctx, d, progress); err != nil {
			return fmt.Errorf("%s: renew the passwords of roles: %w", d, err)
		}
	}
	return nil
}

// renewPasswords is done when the operator's own time of it has moved on. That is by the
// operator's clock, and may be of a round that was under way: where it is from before
// the annotation, the next one is waited for, too, which began after it.
func (o *Ring) renewPasswords(ctx context.Context, d *datacenter.Datacenter, progress func(string)) error {
	for range 2 {
		// Times are whole seconds: the next must be in another one.
		if err := o.client.Clock.Wait(ctx, time.Second); err != nil {
			return err
		}
		asked := o.client.Clock.Now().Truncate(time.Second)
		if err := o.annotateSecrets(ctx, d, asked); err != nil {
			return err
		}
		now, err := o.awaitUpsert(ctx, d, progress)
		if err != nil || !now.UsersUpserted.Before(asked) {
			return err
		}
		d = now
	}
	return nil
}

func (o *Ring) annotateSecrets(ctx context.Context, d *datacenter.Datacenter, at time.Time) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{refreshAnnotation: at.UTC().Format(time.RFC3339)}}})
	if err != nil {
		return err
	}
	names := append([]string{d.SuperuserSecret}, d.Users...)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		err := o.client.Do(ctx, api.NewRequest("patch", "secrets", o.ring.Namespace(), name), func(ctx context.Context) error {
			_, err := o.client.Typed.CoreV1().Secrets(o.ring.Namespace()).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
			return err
		})
		if api.Absent(err) {
			return flow.Failf(flow.Precondition, "the secret %s is missing: restore it: %w", name, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// awaitUpsert waits until the time of the datacenter is another than it was.
func (o *Ring) awaitUpsert(ctx context.Context, before *datacenter.Datacenter, progress func(string)) (*datacenter.Datacenter, error) {
	var now *datacenter.Datacenter
	wait := flow.Waiting{Limit: o.limits.Passwords, Every: datacenter.Poll, For: "cass-operator to set the passwords again", Code: flow.HalfWay, Progress: progress}
	err := o.client.Wait(ctx, wait, func(ctx context.Context) ([]string, error) {
		ds, err := o.ring.Refresh(ctx)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(ds, func(d *datacenter.Datacenter) bool { return d.UID == before.UID })
		if i < 0 {
			return nil, fmt.Errorf("it is gone")
		}
		if now = ds[i]; !now.UsersUpserted.Equal(before.UsersUpserted) {
			return nil, nil
		}
		text := fmt.Sprintf("%s: status.usersUpserted is still %s: check that the operator is running", now, written(now.UsersUpserted))
		if problems := now.Problems(datacenter.Ready); len(problems) > 0 {
			text = strings.Join(problems, "; ")
		}
		return []string{text}, nil
	})
	return now, err
}

func written(at time.Time) string {
	if at.IsZero() {
		return "empty"
	}
	return at.UTC().Format(time.RFC3339)
}
