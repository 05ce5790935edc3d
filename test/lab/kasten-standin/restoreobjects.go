package kastenstandin

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// restoreObjects creates all objects but the claims, in Kasten's order. Every
// workload is waited for before the next object, in every attempt anew: one that
// needs a custom resource to become ready never gets it.
func (s *restore) restoreObjects(ctx context.Context) error {
	for _, o := range s.objects {
		if o.isClaim() {
			continue
		}
		if !s.restored[o.ID] {
			if err := s.restoreObject(ctx, o); err != nil {
				return err
			}
			s.restored[o.ID] = true
		}
		if !o.isWorkload() || s.spec.SkipWaitForWorkloadReady {
			continue
		}
		if err := s.step(EventReady, o.ID.String(), func() error { return s.awaitWorkload(ctx, o.ID) }); err != nil {
			return err
		}
	}
	return nil
}

// restoreObject creates what is missing. Of what is there, workloads are always
// restored, ServiceAccounts never, and the rest only with overwriteExisting.
func (s *restore) restoreObject(ctx context.Context, o object) error {
	live, err := s.clientOf(o.ID).Get(ctx, o.Name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("get %s: %w", o.ID, err)
	}
	switch {
	case err != nil:
		return s.create(ctx, o)
	case o.isWorkload():
		if err := s.dropWorkload(ctx, o.ID); err != nil {
			return err
		}
		return s.create(ctx, o)
	case o.is("", "serviceaccounts"), !s.spec.OverwriteExisting:
		s.uids[o.GetUID()] = live.GetUID()
		s.note(EventKeep, o.ID.String(), "it exists")
		return nil
	default:
		return s.step(EventOverwrite, o.ID.String(), func() error {
			u := s.clean(o)
			u.SetResourceVersion(live.GetResourceVersion())
			updated, err := s.clientOf(o.ID).Update(ctx, u, metav1.UpdateOptions{})
			if err == nil {
				s.uids[o.GetUID()] = updated.GetUID()
			}
			return err
		})
	}
}

func (s *restore) create(ctx context.Context, o object) error {
	return s.step(EventCreate, o.ID.String(), func() error {
		created, err := s.clientOf(o.ID).Create(ctx, s.clean(o), metav1.CreateOptions{})
		if err == nil {
			s.uids[o.GetUID()] = created.GetUID()
		}
		return err
	})
}

// clean is a manifest as it can be created: without what belongs to the life of
// the old object. An ownerReference stays only when the owner is restored already,
// so that StatefulSets come back without the custom resource that owned them.
func (s *restore) clean(o object) *unstructured.Unstructured {
	u := o.DeepCopy()
	for _, field := range []string{"uid", "resourceVersion", "managedFields", "creationTimestamp", "generation", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"} {
		unstructured.RemoveNestedField(u.Object, "metadata", field)
	}
	u.SetNamespace(s.namespace)
	var owners []metav1.OwnerReference
	for _, ref := range o.GetOwnerReferences() {
		if uid, ok := s.uids[ref.UID]; ok {
			ref.UID = uid
			owners = append(owners, ref)
		}
	}
	u.SetOwnerReferences(owners)
	drop := func(fields ...string) { unstructured.RemoveNestedField(u.Object, fields...) }
	switch {
	case o.is("", "services"):
		if ip, _, _ := unstructured.NestedString(u.Object, "spec", "clusterIP"); ip != "None" {
			drop("spec", "clusterIP")
			drop("spec", "clusterIPs")
		}
		drop("spec", "healthCheckNodePort")
	case o.is("", "pods"):
		drop("spec", "nodeName")
	case o.is("", "serviceaccounts"):
		drop("secrets")
	case o.is("batch", "jobs"):
		drop("spec", "selector")
		drop("spec", "template", "metadata", "labels", "controller-uid")
		drop("spec", "template", "metadata", "labels", "batch.kubernetes.io/controller-uid")
	}
	return u
}

// dropWorkload deletes a workload with its pods and waits until they are gone.
func (s *restore) dropWorkload(ctx context.Context, id ID) error {
	foreground := metav1.DeletePropagationForeground
	return s.step(EventStop, id.String(), func() error {
		err := s.clientOf(id).Delete(ctx, id.Name, metav1.DeleteOptions{PropagationPolicy: &foreground})
		if err != nil {
			return err
		}
		return s.awaitGone(ctx, id)
	})
}

func (r *run) awaitGone(ctx context.Context, id ID) error {
	return r.await(ctx, or(r.Limits.Volume, 15*time.Minute), id.String()+" to be gone", func(ctx context.Context) (bool, error) {
		_, err := r.clientOf(id).Get(ctx, id.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
}
