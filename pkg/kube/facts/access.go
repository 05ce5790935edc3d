package facts

import (
	"context"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/doctor"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// access asks for each of Rules whether the service account has it in the namespace.
func (r *reader) access(ctx context.Context) {
	for _, rule := range objects.Rules() {
		a := doctor.Access{Resource: kind{rule.APIGroup, "", rule.Resource}.full(), Why: rule.Why}
		for _, verb := range rule.Verbs {
			allowed, err := r.allowed(ctx, rule, verb)
			if err != nil {
				k := kind{"authorization.k8s.io", "v1", "localsubjectaccessreviews"}
				text, missing := r.unread(k, api.NewRequest("create", k.resource, r.facts.Namespace, ""), err)
				if missing {
					text = err.Error()
				}
				r.facts.Access = doctor.Answer[doctor.Access]{Unread: text}
				return
			}
			if !allowed {
				a.Denied = append(a.Denied, verb)
			}
		}
		r.facts.Access.Items = append(r.facts.Access.Items, a)
	}
}

func (r *reader) allowed(ctx context.Context, rule objects.Rule, verb string) (bool, error) {
	f := r.facts
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
	err := r.client.Do(ctx, api.NewRequest("create", "localsubjectaccessreviews", f.Namespace, ""), func(ctx context.Context) error {
		answer, err := r.client.Typed.AuthorizationV1().LocalSubjectAccessReviews(f.Namespace).Create(ctx, review, metav1.CreateOptions{})
		if err == nil {
			allowed = answer.Status.Allowed
		}
		return err
	})
	return allowed, err
}
