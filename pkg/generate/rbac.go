package generate

import (
	"fmt"

	"github.com/casshook/casshook/pkg/blueprint"
	"github.com/casshook/casshook/pkg/kube/objects"
)

const rbacVersion = "rbac.authorization.k8s.io/v1"

type serviceAccount struct {
	blueprint.Head `json:",inline"`
}

type role struct {
	blueprint.Head `json:",inline"`
	Rules          []rule `json:"rules"`
}

type rule struct {
	APIGroups []string `json:"apiGroups"`
	Resources []string `json:"resources"`
	Verbs     []string `json:"verbs"`
}

type roleBinding struct {
	blueprint.Head `json:",inline"`
	RoleRef        roleRef   `json:"roleRef"`
	Subjects       []subject `json:"subjects"`
}

type roleRef struct {
	APIGroup string `json:"apiGroup"`
	Kind     string `json:"kind"`
	Name     string `json:"name"`
}

type subject struct {
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

// accessLabels are not objects.OwnLabels, which the filters leave out: the role is to
// come back with its namespace.
func accessLabels() map[string]string { return map[string]string{"app.kubernetes.io/name": "casshook"} }

func (o *Options) head(version, kind, namespace string) blueprint.Head {
	return blueprint.Head{APIVersion: version, Kind: kind,
		Metadata: blueprint.Metadata{Name: o.ServiceAccount, Namespace: namespace, Labels: accessLabels()}}
}

// role allows in a namespace what pkg/kube asks for there, and nothing else.
func (o *Options) role(namespace string) object {
	r := &role{Head: o.head(rbacVersion, "Role", namespace)}
	notes := comments{}
	for i, need := range objects.Rules() {
		r.Rules = append(r.Rules, rule{[]string{need.APIGroup}, []string{need.Resource}, need.Verbs})
		notes[fmt.Sprintf("rules.%d", i)] = need.Why
	}
	return object{r, notes}
}

func (o *Options) roleBinding(namespace string) object {
	return object{&roleBinding{o.head(rbacVersion, "RoleBinding", namespace),
		roleRef{"rbac.authorization.k8s.io", "Role", o.ServiceAccount},
		[]subject{{"ServiceAccount", o.ServiceAccount, o.KastenNamespace}}}, nil}
}

const aboutAccount = "The service account of the hook pods. It has only the permissions of the roles in this directory."

const aboutRole = "Permissions of the hooks in the namespace, with a reason for each rule. To restore into another namespace, grant the same there."
