package kube

import (
	"context"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/doctor"
)

// Scope is where a permission is needed.
type Scope string

// Scopes.
const (
	// InNamespace is the namespace of the datacenters, InKasten that of Kasten.
	InNamespace Scope = "namespace"
	InKasten    Scope = "kasten"
	// InCluster needs a ClusterRole.
	InCluster Scope = "cluster"
)

// DoctorRule is a permission, and where.
type DoctorRule struct {
	Rule
	Scope Scope
}

// DoctorRules is all that Inventory asks beside Rules, and the only place of it. It
// is for the person who runs doctor, not for the hooks; what is missing of it makes
// findings unknown, and nothing else.
func DoctorRules() []DoctorRule {
	return []DoctorRule{
		{Rule{"", "namespaces", []string{"get"}, "compare the labels with the selectors of policies"}, InNamespace},
		{Rule{"authorization.k8s.io", "localsubjectaccessreviews", []string{"create"}, "ask what the service account of the hooks may do"}, InNamespace},
		{Rule{"config.kio.kasten.io", "policies", []string{"list"}, "see what policies of the namespace do"}, InNamespace},
		{Rule{"config.kio.kasten.io", "blueprintbindings", []string{"list"}, "see which Blueprint runs about a datacenter"}, InKasten},
		{Rule{"config.kio.kasten.io", "policies", []string{"list"}, "see what policies do"}, InKasten},
		{Rule{"config.kio.kasten.io", "profiles", []string{"list"}, "see whether a location profile is one"}, InKasten},
		{Rule{"cr.kanister.io", "blueprints", []string{"list"}, "see what hooks run"}, InKasten},
		{Rule{"", "configmaps", []string{"get"}, "see how long Kasten lets a hook run (k10-config)"}, InKasten},
		{Rule{"", "serviceaccounts", []string{"get"}, "see whether the account of the hook pods is there"}, InKasten},
		{Rule{"", "secrets", []string{"get"}, "see whether pull secrets are there"}, InKasten},
		{Rule{"cassandra.datastax.com", "cassandradatacenters", []string{"list"}, "find datacenters of the same ring in other namespaces"}, InCluster},
		{Rule{"apps", "deployments", []string{"list"}, "find cass-operator"}, InCluster},
		{Rule{"", "nodes", []string{"list"}, "see the machines' architectures, and whether they have the image"}, InCluster},
		{Rule{"", "persistentvolumes", []string{"get"}, "find the driver of volumes without a storage class"}, InCluster},
		{Rule{"storage.k8s.io", "storageclasses", []string{"list"}, "find the drivers of volumes"}, InCluster},
		{Rule{"snapshot.storage.k8s.io", "volumesnapshotclasses", []string{"list"}, "see whether the drivers' volumes can be snapshotted"}, InCluster},
	}
}

// access asks for each of Rules whether the service account has it in the namespace.
func (i *inventory) access(ctx context.Context) {
	for _, rule := range Rules() {
		a := doctor.Access{Resource: kind{rule.APIGroup, "", rule.Resource}.full(), Why: rule.Why}
		for _, verb := range rule.Verbs {
			allowed, err := i.allowed(ctx, rule, verb)
			if err != nil {
				k := kind{"authorization.k8s.io", "v1", "localsubjectaccessreviews"}
				text, missing := i.unread(k, request{"create", k.resource, i.facts.Namespace, ""}, err)
				if missing {
					text = err.Error()
				}
				i.facts.Access = doctor.Answer[doctor.Access]{Unread: text}
				return
			}
			if !allowed {
				a.Denied = append(a.Denied, verb)
			}
		}
		i.facts.Access.Items = append(i.facts.Access.Items, a)
	}
}

func (i *inventory) allowed(ctx context.Context, rule Rule, verb string) (bool, error) {
	f := i.facts
	resource, sub, _ := strings.Cut(rule.Resource, "/")
	review := &authorizationv1.LocalSubjectAccessReview{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.Namespace},
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User:   "system:serviceaccount:" + f.KastenNamespace + ":" + f.ServiceAccount,
			Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + f.KastenNamespace, "system:authenticated"},
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: f.Namespace, Verb: verb, Group: rule.APIGroup, Resource: resource, Subresource: sub,
			},
		},
	}
	allowed := false
	err := i.client.do(ctx, request{"create", "localsubjectaccessreviews", f.Namespace, ""}, func(ctx context.Context) error {
		answer, err := i.client.typed.AuthorizationV1().LocalSubjectAccessReviews(f.Namespace).Create(ctx, review, metav1.CreateOptions{})
		if err == nil {
			allowed = answer.Status.Allowed
		}
		return err
	})
	return allowed, err
}
