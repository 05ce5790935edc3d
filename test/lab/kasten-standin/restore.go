package kastenstandin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister"
)

// restore is one restore into one namespace.
type restore struct {
	*run
	spec    RestoreSpec
	point   *RestorePoint
	objects []object
	bounds  []boundObject
	// restored are objects and claims that earlier attempts have restored.
	restored map[ID]bool
	// uids are the live identities of restored objects by their identity in the
	// restore point, for ownerReferences.
	uids map[types.UID]types.UID
	// helpers are the VolumeSnapshots made only for this restore.
	helpers []helper
	// succeeded tells that only onSuccess is left.
	succeeded bool
}

// boundObject is an object with the Blueprint that is bound to it now.
type boundObject struct {
	object
	blueprint *kanister.Blueprint
}

// Restore restores what a RestoreAction says, in three attempts at most: volumes
// and objects that are restored and hooks that succeeded are kept between them.
func (k *Kasten) Restore(ctx context.Context, action *RestoreAction) (*Result, error) {
	if err := action.validate(); err != nil {
		return nil, err
	}
	r, err := k.newRun(action.Spec.TargetNamespace)
	if err != nil {
		return nil, err
	}
	s := &restore{run: r, spec: action.Spec, restored: map[ID]bool{}, uids: map[types.UID]types.UID{}}
	err = s.attempts(ctx, s.attempt)
	if err != nil && ctx.Err() == nil && !s.succeeded {
		err = errors.Join(err, s.hook(ctx, EventOnFailure, s.spec.Hooks.OnFailure))
	}
	err = errors.Join(err, s.dropHelpers(ctx))
	result := s.result(ctx, action.Spec.Subject.Name, err)
	if err != nil {
		return result, fmt.Errorf("restore %s into %s: %w", action.Spec.Subject.Name, r.namespace, err)
	}
	return result, nil
}

func (s *restore) attempt(ctx context.Context) error {
	if _, err := s.Dynamic.Resource(corev1.SchemeGroupVersion.WithResource("namespaces")).Get(ctx, s.namespace, metav1.GetOptions{}); err != nil {
		return fmt.Errorf("target namespace: %w", err)
	}
	if err := s.hook(ctx, EventPreHook, s.spec.Hooks.PreHook); err != nil {
		return err
	}
	steps := []func(context.Context) error{s.load, s.restorePrehooks, s.transform, s.restoreVolumes, s.restoreObjects, s.awaitWorkloads, s.restorePosthooks}
	if s.succeeded {
		steps = nil
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	s.succeeded = true
	return s.hook(ctx, EventOnSuccess, s.spec.Hooks.OnSuccess)
}

// load reads the restore point, applies the filters and finds the bound resources.
func (s *restore) load(context.Context) error {
	var err error
	if s.point, err = ReadPoint(s.Dir, s.spec.Subject.Name); err != nil {
		return err
	}
	all, err := readObjects(s.Dir, s.point)
	if err != nil {
		return err
	}
	s.objects = nil
	for _, o := range all {
		chosen := s.spec.Filters.chooses(o)
		// Without include filters all that was captured is restored, so also what
		// was captured by name only.
		if len(s.spec.Filters.IncludeResources) == 0 {
			chosen = !anyMatches(s.spec.Filters.ExcludeResources, o)
		}
		if chosen && (!s.spec.DataOnly || o.isClaim()) {
			s.objects = append(s.objects, o)
		}
	}
	sort.SliceStable(s.objects, func(i, j int) bool { return rank(s.objects[i].ID) < rank(s.objects[j].ID) })
	return s.findBound()
}

// findBound finds the objects that a Blueprint is bound to and that no other object
// of the restore point owns.
func (s *restore) findBound() error {
	captured := map[types.UID]bool{}
	for _, o := range s.objects {
		captured[o.GetUID()] = true
	}
	s.bounds = nil
	for _, o := range s.objects {
		owned := slices.ContainsFunc(o.GetOwnerReferences(), func(ref metav1.OwnerReference) bool { return captured[ref.UID] })
		if owned {
			continue
		}
		live := o
		live.Unstructured = o.DeepCopy()
		live.SetNamespace(s.namespace)
		bp, err := s.Catalog.boundBlueprint(live)
		if err != nil {
			return err
		}
		if bp != nil {
			s.bounds = append(s.bounds, boundObject{object: o, blueprint: bp})
		}
	}
	return nil
}

// boundOnce runs a reserved action unless it has succeeded in an earlier attempt.
func (s *restore) boundOnce(ctx context.Context, name string, b boundObject) error {
	_, err := s.bound(ctx, name, b.blueprint, b.object, s.point.artifactsOf(b.ID))
	if err == nil {
		s.done[name+" "+b.ID.String()] = true
	}
	return err
}

// restorePrehooks runs where the bound resource is there now, as from 9.0.10 on.
func (s *restore) restorePrehooks(ctx context.Context) error {
	for _, b := range s.bounds {
		if b.blueprint.Actions[ActionRestorePrehook] == nil {
			continue
		}
		_, err := s.clientOf(b.ID).Get(ctx, b.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			s.note(EventSkipHook, ActionRestorePrehook+" "+b.ID.String(), "the resource is not there")
			continue
		}
		if err != nil {
			return fmt.Errorf("get %s: %w", b.ID, err)
		}
		if err := s.boundOnce(ctx, ActionRestorePrehook, b); err != nil {
			return err
		}
	}
	return nil
}

func (s *restore) transform(context.Context) error {
	if len(s.spec.Transforms) == 0 {
		return nil
	}
	return s.step(EventTransform, "", func() error {
		transforms, err := s.Catalog.transforms(s.spec.Transforms)
		if err != nil {
			return err
		}
		for i := range s.objects {
			for _, t := range transforms {
				if s.objects[i], err = t.apply(s.objects[i]); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (s *restore) awaitWorkloads(ctx context.Context) error {
	if s.spec.SkipWaitForWorkloadReady {
		return nil
	}
	for _, o := range s.objects {
		if !o.isWorkload() {
			continue
		}
		if err := s.step(EventReady, o.ID.String(), func() error { return s.awaitWorkload(ctx, o.ID) }); err != nil {
			return err
		}
	}
	return nil
}

// restorePosthooks runs restore and restorePosthook. Kasten cannot when the backup
// had no location profile.
func (s *restore) restorePosthooks(ctx context.Context) error {
	for _, b := range s.bounds {
		for _, name := range []string{ActionRestore, ActionRestorePosthook} {
			if b.blueprint.Actions[name] == nil {
				continue
			}
			if s.point.Profile == "" && s.spec.Profile == nil {
				return fmt.Errorf("%s %s cannot run: the policy had no location profile in backupParameters.profile", name, b.ID)
			}
			if err := s.boundOnce(ctx, name, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// rank is Kasten's order: what workloads need, the workloads, custom resources.
func rank(id ID) int {
	switch {
	case id.is("", "serviceaccounts"):
		return 0
	case id.is("", "secrets"):
		return 1
	case id.is("", "configmaps"):
		return 2
	case id.isClaim():
		return 3
	case id.isWorkload(), id.is("", "pods"):
		return 5
	case id.isCustom():
		return 6
	default:
		return 4
	}
}
