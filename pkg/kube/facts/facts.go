// Package facts reads what doctor examines.
package facts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/casshook/casshook/pkg/doctor"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// reader reads what doctor looks at. What may not be read stays unread, with the
// permission that is missing; the rest is read all the same.
type reader struct {
	client *api.Client
	facts  *doctor.Facts
	// datacenters of the namespace that can be read, as everything else knows them.
	datacenters []*datacenter.Datacenter
	// failure is the first that no permission mends.
	failure error
}

// Read reads the facts that doctor examines. It changes nothing. The error is
// that of an API server that cannot be reached: then there is nothing to examine.
func Read(ctx context.Context, c *api.Client, asked doctor.Asked) (*doctor.Facts, error) {
	r := &reader{client: c, facts: &doctor.Facts{Asked: asked}}
	for _, read := range []func(context.Context){
		r.cassandra, r.elsewhere, r.workloads, r.claims, r.storage, r.kasten, r.timeouts, r.account, r.pullSecrets, r.access, r.machines, r.operators,
	} {
		read(ctx)
		if r.failure != nil {
			return nil, r.failure
		}
	}
	return r.facts, nil
}

// everyNamespace is the namespace of requests that are about all of them, or none.
const everyNamespace = ""

// kind is a resource that is listed.
type kind struct {
	group, version, resource string
}

func (k kind) gvr() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: k.group, Version: k.version, Resource: k.resource}
}

// full is the resource as kubectl and RBAC name it.
func (k kind) full() string {
	if k.group == "" {
		return k.resource
	}
	return k.resource + "." + k.group
}

// permission is what a request needs, as people ask for it.
func (k kind) permission(q api.Request) string {
	text := q.Verb + " " + k.full()
	if q.Name != "" {
		text += " " + q.Name
	}
	switch {
	case q.Namespace != everyNamespace:
		text += " in namespace " + q.Namespace
	case q.Verb == "list":
		text += " cluster-wide"
	}
	return text
}

// unread is why a request was not answered: "" where it was. absent is for kinds and
// objects that are not there.
func (r *reader) unread(k kind, q api.Request, err error) (text string, missing bool) {
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return "", false
	case api.Absent(err):
		return "", true
	case apierrors.IsForbidden(err):
		return "may not " + k.permission(q), false
	case apierrors.IsUnauthorized(err):
		return doctor.NotLoggedIn, false
	case r.failure == nil && !errors.As(err, &status):
		r.failure = err
	}
	return err.Error(), false
}

// get reads one object into a value.
func (r *reader) get(ctx context.Context, k kind, namespace, name string) (objects.Fields, string, bool) {
	q := api.NewRequest("get", k.resource, namespace, name)
	var found *unstructured.Unstructured
	err := r.client.Do(ctx, q, func(ctx context.Context) (err error) {
		found, err = r.client.Dynamic.Resource(k.gvr()).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
		return err
	})
	text, missing := r.unread(k, q, err)
	if err != nil {
		return nil, text, missing
	}
	return objects.Fields(found.Object), "", false
}

// list reads the objects of a kind, in one namespace or in all.
func (r *reader) list(ctx context.Context, k kind, namespace string) ([]unstructured.Unstructured, string, bool) {
	q := api.NewRequest("list", k.resource, namespace, "")
	var found *unstructured.UnstructuredList
	err := r.client.Do(ctx, q, func(ctx context.Context) (err error) {
		found, err = r.client.Dynamic.Resource(k.gvr()).Namespace(namespace).List(ctx, metav1.ListOptions{})
		return err
	})
	text, missing := r.unread(k, q, err)
	if err != nil {
		return nil, text, missing
	}
	return found.Items, "", false
}

// listed lists a kind as values of a type. An object that does not fit makes the rest
// no whole answer.
func listed[T any](ctx context.Context, r *reader, k kind, namespace string) doctor.Answer[T] {
	items, text, missing := r.list(ctx, k, namespace)
	a := doctor.Answer[T]{Unread: text, Absent: missing}
	for _, item := range items {
		var value T
		data, err := json.Marshal(item.Object)
		if err == nil {
			err = json.Unmarshal(data, &value)
		}
		if err != nil {
			a.Unread = fmt.Sprintf("cannot parse %s %s/%s: %v", k.full(), item.GetNamespace(), item.GetName(), err)
			continue
		}
		a.Items = append(a.Items, value)
	}
	return a
}

// Kinds of Kasten and Kanister.
func bindingKind() kind   { return kind{"config.kio.kasten.io", "v1alpha1", "blueprintbindings"} }
func policyKind() kind    { return kind{"config.kio.kasten.io", "v1alpha1", "policies"} }
func profileKind() kind   { return kind{"config.kio.kasten.io", "v1alpha1", "profiles"} }
func blueprintKind() kind { return kind{"cr.kanister.io", "v1alpha1", "blueprints"} }

// kasten reads policies of the namespace itself, too, where its own users may have them.
func (r *reader) kasten(ctx context.Context) {
	f, kasten := r.facts, r.facts.KastenNamespace
	f.Bindings = listed[doctor.Binding](ctx, r, bindingKind(), kasten)
	f.Blueprints = listed[doctor.Blueprint](ctx, r, blueprintKind(), kasten)
	f.Profiles = listed[doctor.Profile](ctx, r, profileKind(), kasten)
	f.Policies = listed[doctor.Policy](ctx, r, policyKind(), kasten)
	if f.Policies.Absent || f.Namespace == kasten {
		return
	}
	own := listed[doctor.Policy](ctx, r, policyKind(), f.Namespace)
	f.Policies.Items = append(f.Policies.Items, own.Items...)
	if f.Policies.Unread == "" {
		f.Policies.Unread = own.Unread
	}
}

// Kasten's configuration: minutes, by the key of 9.0 or the one before it
// (templates of the chart k10).
const kastenConfig = "k10-config"

func timeoutKeys() []string {
	return []string{"K10TimeoutBlueprintResourceHooks", "K10TimeoutBlueprintHooks"}
}

// timeouts is best effort: without it Kasten's default holds, which the finding shows.
func (r *reader) timeouts(ctx context.Context) {
	config, text, missing := r.get(ctx, kind{"", "v1", "configmaps"}, r.facts.KastenNamespace, kastenConfig)
	r.facts.Timeouts = doctor.Answer[time.Duration]{Unread: text, Absent: missing}
	for _, key := range timeoutKeys() {
		minutes, err := strconv.Atoi(strings.TrimSpace(config.Text("data", key)))
		if err == nil && minutes > 0 {
			r.facts.Timeouts.Items = []time.Duration{time.Duration(minutes) * time.Minute}
			return
		}
	}
}

// account is the hook pods'.
func (r *reader) account(ctx context.Context) {
	f := r.facts
	object, text, missing := r.get(ctx, kind{"", "v1", "serviceaccounts"}, f.KastenNamespace, f.ServiceAccount)
	f.Account = doctor.Answer[doctor.Account]{Unread: text, Absent: missing}
	if text != "" || missing {
		return
	}
	account := doctor.Account{}
	for _, ref := range object.Objects("imagePullSecrets") {
		account.PullSecrets = append(account.PullSecrets, ref.Text("name"))
	}
	f.Account.Items = []doctor.Account{account}
}

// pullSecrets takes nothing of a secret but its type.
func (r *reader) pullSecrets(ctx context.Context) {
	f := r.facts
	names := doctor.PullSecrets(f.Blueprints.Items)
	for _, a := range f.Account.Items {
		names = append(names, a.PullSecrets...)
	}
	slices.Sort(names)
	f.PullSecrets = map[string]doctor.Answer[string]{}
	for _, name := range slices.Compact(names) {
		secret, text, missing := r.get(ctx, kind{"", "v1", "secrets"}, f.KastenNamespace, name)
		a := doctor.Answer[string]{Unread: text, Absent: missing}
		if text == "" && !missing {
			a.Items = []string{secret.Text("type")}
		}
		f.PullSecrets[name] = a
	}
}
