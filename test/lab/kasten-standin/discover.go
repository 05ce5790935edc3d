package kastenstandin

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister"
)

// found is what discovery saw in a namespace.
type found struct {
	// captured go into the restore point.
	captured []object
	// pods are the running pods, captured or not.
	pods []object
	// units are the topmost owners of captured workloads.
	units []*unit
	// orphans are captured claims that no running pod of a captured workload mounts.
	orphans []string
}

// unit is what is backed up together: all workloads with the same topmost owner,
// and the claims of their pods.
type unit struct {
	owner     object
	blueprint *kanister.Blueprint
	// builtIn is a custom resource that a Blueprint of Kasten's own would take.
	builtIn   bool
	workloads []object
	claims    []string
	complete  bool
}

// discover reads all objects of the namespace, applies the filters and finds who
// owns what.
func (r *run) discover(ctx context.Context, filters *Filters) (*found, error) {
	f := &found{}
	all, err := r.list(ctx)
	if err != nil {
		return nil, err
	}
	for _, o := range all {
		if o.is("", "pods") && podRunning(o) {
			f.pods = append(f.pods, o)
		}
		if filters.chooses(o) {
			f.captured = append(f.captured, o)
		}
	}
	byUID := map[types.UID]*unit{}
	for _, workload := range slices.Clone(f.captured) {
		if workload.isWorkload() {
			if err := r.addWorkload(ctx, f, byUID, workload); err != nil {
				return nil, err
			}
		}
	}
	if err := r.addClaims(ctx, f, byUID, all, filters); err != nil {
		return nil, err
	}
	r.noteUnreached(f)
	return f, nil
}

func (r *run) list(ctx context.Context) ([]object, error) {
	var all []object
	for _, s := range r.served {
		if !s.listable {
			continue
		}
		items, err := r.client(s.gvr).List(ctx, metav1.ListOptions{})
		if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
			continue // the resource went away since discovery
		}
		if err != nil {
			return nil, fmt.Errorf("list %s of %s: %w", s.gvr.Resource, r.namespace, err)
		}
		for i := range items.Items {
			u := &items.Items[i]
			u.SetGroupVersionKind(s.gvr.GroupVersion().WithKind(s.kind))
			all = append(all, newObject(s.gvr, u))
		}
	}
	return all, nil
}

func podRunning(pod object) bool {
	phase, _, err := unstructured.NestedString(pod.Object, "status", "phase")
	return err == nil && phase == "Running"
}

// chain is an object and its owners up to the topmost that is there.
func (r *run) chain(ctx context.Context, o object) ([]object, error) {
	chain := []object{o}
	for {
		owner, err := r.ownerOf(ctx, chain[len(chain)-1])
		if err != nil || owner == nil {
			return chain, err
		}
		chain = append(chain, *owner)
		if len(chain) > 10 {
			return nil, fmt.Errorf("owners of %s go in a circle", o.ID)
		}
	}
}

func (r *run) ownerOf(ctx context.Context, o object) (*object, error) {
	refs := o.GetOwnerReferences()
	if len(refs) == 0 {
		return nil, nil
	}
	ref := refs[0]
	if controller := metav1.GetControllerOfNoCopy(o.Unstructured); controller != nil {
		ref = *controller
	}
	gvr, ok := r.resourceOf(ref.APIVersion, ref.Kind)
	if !ok {
		return nil, nil
	}
	u, err := r.client(gvr).Get(ctx, ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get the owner of %s: %w", o.ID, err)
	}
	owner := newObject(gvr, u)
	return &owner, nil
}

func (r *run) resourceOf(apiVersion, kind string) (schema.GroupVersionResource, bool) {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return schema.GroupVersionResource{}, false
	}
	for _, s := range r.served {
		if s.kind == kind && s.gvr.Group == gv.Group && s.listable {
			return s.gvr, true
		}
	}
	return schema.GroupVersionResource{}, false
}

// addWorkload finds the topmost owner of a workload: only its Blueprint counts.
func (r *run) addWorkload(ctx context.Context, f *found, byUID map[types.UID]*unit, workload object) error {
	chain, err := r.chain(ctx, workload)
	if err != nil {
		return err
	}
	owner := chain[len(chain)-1]
	for _, lower := range chain[:len(chain)-1] {
		if name := r.Catalog.bound(lower); name != "" {
			r.note(EventIgnored, lower.ID.String(), "Multiple blueprints found in ownership chain. The topmost owner's blueprint will be used: "+owner.ID.String())
		}
	}
	u := byUID[owner.GetUID()]
	if u == nil {
		u = &unit{owner: owner}
		if u.blueprint, err = r.Catalog.boundBlueprint(owner); err != nil {
			return err
		}
		u.builtIn = u.blueprint == nil && !r.NoBuiltIns && owner.is("cassandra.datastax.com", "cassandradatacenters")
		byUID[owner.GetUID()] = u
		f.units = append(f.units, u)
	}
	u.workloads = append(u.workloads, workload)
	byUID[workload.GetUID()] = u
	return nil
}

// addClaims finds the claims of every unit by its running pods. A claim of a
// captured workload is captured even when no include filter names it, unless it is
// excluded.
func (r *run) addClaims(ctx context.Context, f *found, byUID map[types.UID]*unit, all []object, filters *Filters) error {
	owned := map[string]*unit{}
	for _, pod := range f.pods {
		chain, err := r.chain(ctx, pod)
		if err != nil {
			return err
		}
		// From the top, since the topmost owner is a unit only by its workloads.
		for _, owner := range chain[1:] {
			if u := byUID[owner.GetUID()]; u != nil && slices.ContainsFunc(u.workloads, func(w object) bool { return w.GetUID() == owner.GetUID() }) {
				for _, claim := range podClaims(pod) {
					owned[claim] = u
				}
			}
		}
	}
	for _, o := range all {
		if !o.isClaim() {
			continue
		}
		u, captured := owned[o.Name], filters.chooses(o)
		if u != nil && !captured && !anyMatches(filters.ExcludeResources, o) {
			f.captured, captured = append(f.captured, o), true
		}
		switch {
		case !captured:
		case u == nil:
			f.orphans = append(f.orphans, o.Name)
		default:
			u.claims = append(u.claims, o.Name)
		}
	}
	return nil
}

func podClaims(pod object) []string {
	volumes, _, err := unstructured.NestedSlice(pod.Object, "spec", "volumes")
	if err != nil {
		return nil
	}
	var claims []string
	for _, volume := range volumes {
		m, ok := volume.(map[string]any)
		if !ok {
			continue
		}
		if name, found, err := unstructured.NestedString(m, "persistentVolumeClaim", "claimName"); err == nil && found {
			claims = append(claims, name)
		}
	}
	return claims
}

// noteUnreached tells of bound resources whose hooks Kasten skips in silence,
// because no workload in the backup leads to them.
func (r *run) noteUnreached(f *found) {
	for _, o := range f.captured {
		if name := r.Catalog.bound(o); name == "" || slices.ContainsFunc(f.units, func(u *unit) bool { return u.owner.GetUID() == o.GetUID() }) {
			continue
		} else {
			r.note(EventNotReached, o.ID.String(), "no workload in the backup has it as topmost owner: blueprint "+name+" does not run")
		}
	}
}

// errBuiltIn is what Kasten's own Blueprint for K8ssandra ends with where there is
// no Medusa.
var errBuiltIn = errors.New(`no matches for kind "MedusaBackupJob" in version "medusa.k8ssandra.io/v1alpha1" ensure CRDs are installed first: ` +
	`Kasten's built-in k10-k8ssandra-bp took the CassandraDatacenter, bind a blueprint to it`)
