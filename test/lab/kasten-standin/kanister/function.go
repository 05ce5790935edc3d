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

// function is a Kanister function. A nil run is one that the stand-in knows by its
// args alone.
type function struct {
	required, optional []string
	// raw are the args that Kanister does not render.
	raw []string
	run func(*Controller, context.Context, call) (map[string]any, error)
}

// podMeta are the args whose keys and values must be good labels and annotations.
func podMeta() []string { return []string{"podLabels", "podAnnotations"} }

// functionNamed returns a registered function.
// Source: kanisterio/kanister, pkg/function/*.go: RequiredArgs and Arguments.
func functionNamed(name string) (function, bool) {
	pod := append(podMeta(), "podOverride")
	f, ok := map[string]function{
		"KubeTask":    {required: []string{"image", "command"}, optional: append(pod, "namespace"), run: (*Controller).kubeTask},
		"KubeExec":    {required: []string{"namespace", "pod", "command"}, optional: []string{"container"}, run: (*Controller).kubeExec},
		"KubeExecAll": {required: []string{"namespace", "pods", "containers", "command"}},
		"KubeOps":     {required: []string{"operation"}, optional: []string{"spec", "namespace", "objectReference"}, run: (*Controller).kubeOps},
		"Wait":        {required: []string{"timeout", "conditions"}},
		// The conditions are rendered by waitV2 itself, but for the condition.
		"WaitV2":        {required: []string{"timeout", "conditions"}, raw: []string{"timeout", "conditions"}, run: (*Controller).waitV2},
		"ScaleWorkload": {required: []string{"replicas"}, optional: []string{"namespace", "name", "kind", "waitForReady"}},
		"MultiContainerRun": {required: []string{"backgroundImage", "backgroundCommand", "outputImage", "outputCommand"},
			optional: append(pod, "namespace", "initImage", "initCommand", "sharedVolumeMedium", "sharedVolumeSizeLimit", "sharedVolumeDir")},
		"PrepareData": {required: []string{"namespace", "image", "command"}, optional: append(pod, "volumes", "serviceaccount", "failOnError")},
	}[name]
	return f, ok
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

// render renders the args that Kanister renders.
func (f function) render(args map[string]any, tp *param.TemplateParams) (map[string]any, error) {
	templates, raw := map[string]any{}, map[string]any{}
	for name, value := range args {
		if slices.Contains(f.raw, name) {
			raw[name] = value
		} else {
			templates[name] = value
		}
	}
	rendered, err := param.RenderArgs(templates, tp)
	if err != nil {
		return nil, err
	}
	for name, value := range raw {
		rendered[name] = value
	}
	return rendered, nil
}
