package kanister

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister/param"
)

// Validate makes the checks of kanctl and of the admission webhook, no more: the
// functions, the names of the args, the syntax of labels and annotations, and that
// names of phases are used once. Unlike kanctl it names all problems, in kanctl's
// words. Templates are not checked.
func Validate(bp *Blueprint) error {
	var problems []error
	seen := map[string]bool{}
	for _, name := range sortedKeys(bp.Actions) {
		action := bp.Actions[name]
		if action == nil {
			problems = append(problems, fmt.Errorf("action %s is null: kanctl panics on it", name))
			continue
		}
		for _, p := range action.all() {
			problems = append(problems, validatePhase(name, p))
			if seen[p.Name] {
				problems = append(problems, param.Errorf("Failed to validate: Duplicated phase name is not allowed. Violating phase '%s'", p.Name))
			}
			seen[p.Name] = true
		}
	}
	return errors.Join(problems...)
}

// all are the phases and the defer phase.
func (a *BlueprintAction) all() []BlueprintPhase {
	phases := append([]BlueprintPhase{}, a.Phases...)
	if a.DeferPhase != nil {
		phases = append(phases, *a.DeferPhase)
	}
	return phases
}

func validatePhase(action string, p BlueprintPhase) error {
	f, ok := functionNamed(p.Func)
	if !ok {
		return param.Errorf("Failed to validate action %s: Requested function {%s} has not been registered", action, p.Func)
	}
	err := f.checkArgs(p.Args)
	if err == nil {
		err = validateMeta(p.Args)
	}
	if err != nil {
		return param.Errorf("Failed to validate phase %s in action %s: %s", p.Name, action, err)
	}
	return nil
}

// validateMeta looks at the raw strings: a templated label value fails. The values of
// annotations are free.
func validateMeta(args map[string]any) error {
	for _, name := range podMeta() {
		value, ok := args[name]
		if !ok {
			continue
		}
		m, ok := value.(map[string]any)
		if !ok {
			what := map[string]string{"podLabels": "labels", "podAnnotations": "annotations"}[name]
			return param.Errorf("Kanister function validation failed, while getting pod %s from function args: %s are not in correct format. Expected format is map[string]interface{}.", what, name)
		}
		for _, key := range sortedKeys(m) {
			if err := validatePair(name, key, m[key]); err != nil {
				return err
			}
		}
	}
	return nil
}

func validatePair(arg, key string, value any) error {
	what := strings.TrimSuffix(strings.ToLower(strings.TrimPrefix(arg, "pod")), "s")
	if found := validation.IsQualifiedName(key); len(found) > 0 {
		return param.Errorf("Kanister function validation failed, while validating %ss: %s key '%s' failed validation. %v", what, what, key, found)
	}
	s, err := weakString(value)
	if err != nil {
		return err
	}
	if found := validation.IsValidLabelValue(s); len(found) > 0 && arg == "podLabels" {
		return param.Errorf("Kanister function validation failed, while validating labels: label value '%s' failed validation. %v", s, found)
	}
	return nil
}
