package kanister

import (
	"context"
	"slices"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister/param"
)

// call is one run of a function: its rendered args and what templates see.
type call struct {
	args map[string]any
	tp   *param.TemplateParams
}

// function is a Kanister function.
type function struct {
	required, optional []string
	run                func(*Controller, context.Context, call) (map[string]any, error)
}

// podMeta are the args whose keys and values must be good labels and annotations.
func podMeta() []string { return []string{"podLabels", "podAnnotations"} }

// functionNamed returns a registered function: KubeTask, the only one that casshook's Blueprints call.
// Source: kanisterio/kanister, pkg/function/kube_task.go: RequiredArgs and Arguments.
func functionNamed(name string) (function, bool) {
	if name != "KubeTask" {
		return function{}, false
	}
	return function{required: []string{"image", "command"}, optional: append(podMeta(), "podOverride", "namespace"), run: (*Controller).kubeTask}, true
}

// checkArgs refuses args that the function does not know, then those it lacks.
func (f function) checkArgs(args map[string]any) error {
	known := slices.Concat(f.required, f.optional)
	for _, name := range sortedKeys(args) {
		if !slices.Contains(known, name) {
			return param.Errorf("argument %s is not supported", name)
		}
	}
	for _, name := range f.required {
		if _, ok := args[name]; !ok {
			return param.Errorf("Required arg missing: %s", name)
		}
	}
	return nil
}
