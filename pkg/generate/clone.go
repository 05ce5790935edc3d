package generate

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// copyNamespace is where a clone goes.
func (o *Options) copyNamespace() string {
	name := o.Clone.Namespace
	for n := 1; name == "" || o.Clone.Namespace == "" && slices.Contains(o.Namespaces, name); n++ {
		suffix := "-clone"
		if n > 1 {
			suffix = fmt.Sprintf("-clone%d", n)
		}
		first := o.Namespaces[0]
		name = strings.TrimRight(first[:min(len(first), validation.DNS1123LabelMaxLength-len(suffix))], "-") + suffix
	}
	return name
}

func (c *Clone) validate(p *problems, namespaces []string) {
	if c.Namespace == "" {
		return
	}
	p.check("clone.namespace", c.Namespace, validation.IsDNS1123Label)
	if slices.Contains(namespaces, c.Namespace) {
		p.add("clone.namespace", "%q is protected itself: a clone needs a namespace of its own", c.Namespace)
	}
}

// cloneStrategy is the one whose Blueprint has the clone's hook.
func (g *generator) cloneStrategy() Strategy {
	if g.makes(PolicyHooks) {
		return PolicyHooks
	}
	return g.Strategy
}

const aboutCopy = "Restores %s into %s, which must not contain Cassandra. Use kubectl create -f, since its name is generated.\n" +
	"The original may run: the clone is restored stopped, forgets the original's nodes, and is then started."

// clone is a restore beside the original. Its hook is that of the action, since the
// namespace is bound to nothing.
func (g *generator) clone() {
	namespace, s := g.copyNamespace(), g.cloneStrategy()
	g.yaml(cloneDir+"/access.yaml", KindClone, EveryStrategy, aboutCopyRole, g.role(namespace), g.roleBinding(namespace))
	for _, source := range g.Namespaces {
		g.create(cloneDir+"/restore-"+source+".yaml", KindClone, EveryStrategy, fmt.Sprintf(aboutCopy, source, namespace), g.cloneAction(s, source, namespace))
	}
	g.kustomize(cloneDir, EveryStrategy, "../../"+blueprintDir(s), "../../"+transformsDir, "access.yaml")
	g.readme(cloneDir, "clone", EveryStrategy)
}

const aboutCopyRole = "Permissions of the hooks in the clone's namespace."
