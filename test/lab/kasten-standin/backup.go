package kastenstandin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/rand"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister"
)

// cleanUp limits what runs after a failure, and after a cancelled context.
const cleanUp = 2 * time.Minute

// RunPolicy runs a policy now, as a RunAction would: every namespace that it
// selects is backed up on its own. The error joins those of the namespaces.
func (k *Kasten) RunPolicy(ctx context.Context, p *Policy) ([]*Result, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	namespaces, err := k.selected(ctx, &p.Spec.Selector)
	if err != nil {
		return nil, err
	}
	var results []*Result
	var problems []error
	for _, namespace := range namespaces {
		result, err := k.runPolicy(ctx, p, namespace)
		if err != nil {
			problems = append(problems, fmt.Errorf("policy %s, namespace %s: %w", p.Name, namespace, err))
		}
		if result != nil {
			results = append(results, result)
		}
	}
	return results, errors.Join(problems...)
}

func (k *Kasten) runPolicy(ctx context.Context, p *Policy, namespace string) (*Result, error) {
	var result *Result
	for _, action := range p.Spec.Actions {
		r, err := k.newRun(namespace)
		if err != nil {
			return result, err
		}
		var done *Result
		if action.Action == "export" {
			done, err = r.export(ctx, action.ExportParameters)
		} else {
			done, err = r.backup(ctx, p, action.BackupParameters)
		}
		if result != nil {
			done.Events, done.RestorePoint = slices.Concat(result.Events, done.Events), result.RestorePoint
		}
		result = done
		if err != nil {
			return result, err
		}
	}
	return result, nil
}

// selected are the namespaces that a policy selects.
func (k *Kasten) selected(ctx context.Context, selector *metav1.LabelSelector) ([]string, error) {
	list, err := k.Dynamic.Resource(corev1.SchemeGroupVersion.WithResource("namespaces")).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}
	var names []string
	for _, ns := range list.Items {
		set := labels.Set{}
		for key, value := range ns.GetLabels() {
			set[key] = value
		}
		set[AppNamespaceSelector] = ns.GetName()
		match, err := metav1.LabelSelectorAsSelector(selector)
		if err != nil {
			return nil, fmt.Errorf("selector: %w", err)
		}
		if match.Matches(set) {
			names = append(names, ns.GetName())
		}
	}
	if len(names) == 0 {
		return nil, errors.New("the policy selects no namespace")
	}
	return names, nil
}

// backup is one backup of one namespace.
type backup struct {
	*run
	policy *Policy
	params BackupParameters
	found  *found
	mu     sync.Mutex
	point  *RestorePoint
	// orphansDone tells that the claims without a workload have their snapshots.
	orphansDone, succeeded bool
}

func (r *run) backup(ctx context.Context, p *Policy, params *BackupParameters) (*Result, error) {
	b := &backup{run: r, policy: p}
	if params != nil {
		b.params = *params
	}
	b.point = &RestorePoint{Name: p.Name + "-" + r.namespace + "-" + rand.String(6), Namespace: r.namespace, Policy: p.Name}
	if b.params.Profile != nil {
		b.point.Profile = b.params.Profile.Name
	}
	err := r.attempts(ctx, b.attempt)
	if err == nil {
		return r.result(ctx, b.point.Name, nil), nil
	}
	err = errors.Join(err, b.fail(ctx))
	return r.result(ctx, "", err), err
}

// fail runs onFailure, once, and leaves no restore point and no VolumeSnapshots.
// After a cancel no hook is run.
func (b *backup) fail(ctx context.Context) error {
	var problems []error
	if ctx.Err() == nil && !b.succeeded {
		problems = append(problems, b.hook(ctx, EventOnFailure, b.params.Hooks.OnFailure))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
	defer cancel()
	problems = append(problems, b.dropSnapshots(ctx, b.point.Volumes), os.RemoveAll(filepath.Join(b.Dir, b.point.Name)))
	return errors.Join(problems...)
}

// attempt goes on where the last one failed: hooks, discovery, and the workloads
// that are done stay done. A workload that failed starts anew with its prehook.
func (b *backup) attempt(ctx context.Context) error {
	if err := b.hook(ctx, EventPreHook, b.params.Hooks.PreHook); err != nil {
		return err
	}
	if b.found == nil {
		err := b.step(EventDiscover, "", func() error {
			var err error
			b.found, err = b.discover(ctx, &b.params.Filters)
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := b.workloads(ctx); err != nil {
		return err
	}
	if err := b.orphans(ctx); err != nil {
		return err
	}
	if !b.succeeded {
		err := b.step(EventRestorePoint, b.point.Name, func() error {
			b.point.Created = time.Now().UTC()
			return writePoint(b.Dir, b.point, b.found.captured)
		})
		if err != nil {
			return err
		}
	}
	b.succeeded = true
	return b.hook(ctx, EventOnSuccess, b.params.Hooks.OnSuccess)
}

func (b *backup) workloads(ctx context.Context) error {
	var group errgroup.Group
	group.SetLimit(or(b.Parallel, 5))
	errs := make([]error, len(b.found.units))
	for i, u := range b.found.units {
		if u.complete {
			continue
		}
		group.Go(func() error {
			errs[i] = b.unit(ctx, u)
			return nil
		})
	}
	return errors.Join(group.Wait(), errors.Join(errs...))
}

// unit backs up what has one topmost owner.
func (b *backup) unit(ctx context.Context, u *unit) error {
	for _, w := range u.workloads {
		if err := b.ready(ctx, w); err != nil {
			return err
		}
	}
	artifacts := map[string]kanister.Artifact{}
	run := func(name string) error {
		out, err := b.bound(ctx, name, u.blueprint, u.owner, artifacts)
		for key, value := range out {
			artifacts[key] = value
		}
		return err
	}
	if err := run(ActionBackupPrehook); err != nil {
		return err
	}
	volumes, err := b.data(ctx, u, run)
	if err == nil {
		err = run(ActionBackupPosthook)
	}
	if err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
		defer cancel()
		return errors.Join(err, b.dropSnapshots(ctx, volumes))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	u.complete = true
	b.point.Volumes = append(b.point.Volumes, volumes...)
	if len(artifacts) > 0 {
		b.point.Artifacts = append(b.point.Artifacts, BoundArtifacts{Resource: u.owner.ID, Artifacts: artifacts})
	}
	return nil
}

// data is the action backup where the Blueprint has it, else VolumeSnapshots.
func (b *backup) data(ctx context.Context, u *unit, run func(string) error) ([]Volume, error) {
	if u.builtIn {
		return nil, b.step(ActionBackup, u.owner.ID.String(), func() error { return errBuiltIn })
	}
	if u.blueprint != nil && u.blueprint.Actions[ActionBackup] != nil {
		return nil, run(ActionBackup)
	}
	return b.snapshot(ctx, u.claims)
}

// ready waits for a workload, unless exceptions are ignored.
func (b *backup) ready(ctx context.Context, w object) error {
	err := b.step(EventReady, w.ID.String(), func() error { return b.awaitWorkload(ctx, w.ID) })
	if err != nil && b.params.IgnoreExceptions && ctx.Err() == nil {
		return nil
	}
	return err
}

func (r *run) awaitWorkload(ctx context.Context, id ID) error {
	return r.await(ctx, or(r.Limits.Workload, 15*time.Minute), id.String()+" to be ready", func(ctx context.Context) (bool, error) {
		u, err := r.clientOf(id).Get(ctx, id.Name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		return workloadReady(u), nil
	})
}

// orphans are snapshotted too, with no hook.
func (b *backup) orphans(ctx context.Context) error {
	if b.orphansDone {
		return nil
	}
	volumes, err := b.snapshot(ctx, b.found.orphans)
	if err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
		defer cancel()
		return errors.Join(err, b.dropSnapshots(ctx, volumes))
	}
	b.point.Volumes, b.orphansDone = append(b.point.Volumes, volumes...), true
	return nil
}

// export runs the hooks of an export; it moves no data.
func (r *run) export(ctx context.Context, params *ExportParameters) (*Result, error) {
	if params == nil {
		params = &ExportParameters{}
	}
	err := r.attempts(ctx, func(ctx context.Context) error {
		if err := r.hook(ctx, EventPreHook, params.Hooks.PreHook); err != nil {
			return err
		}
		r.note(EventExport, "", "the stand-in moves no data")
		return r.hook(ctx, EventOnSuccess, params.Hooks.OnSuccess)
	})
	if err != nil && ctx.Err() == nil {
		err = errors.Join(err, r.hook(ctx, EventOnFailure, params.Hooks.OnFailure))
	}
	return r.result(ctx, "", err), err
}
