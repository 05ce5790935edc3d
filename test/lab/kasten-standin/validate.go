package kastenstandin

import (
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (p *Policy) validate() error {
	var problems []error
	bad := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("policy "+p.Name+": "+format, args...))
	}
	spec := &p.Spec
	onDemand := spec.Frequency == "@onDemand"
	if !slices.Contains([]string{"@onDemand", "@hourly", "@daily", "@weekly", "@monthly", "@yearly", ""}, spec.Frequency) {
		bad("frequency %q is none of Kasten's", spec.Frequency)
	}
	if (spec.Frequency == "") == (spec.PresetRef == nil) {
		bad("either frequency or presetRef is needed")
	}
	if onDemand && spec.Retention != nil {
		bad("retention is forbidden with @onDemand")
	}
	if !onDemand && spec.PresetRef == nil && spec.Retention == nil {
		bad("retention is required unless @onDemand")
	}
	if (len(spec.Selector.MatchLabels) == 0) == (len(spec.Selector.MatchExpressions) == 0) {
		bad("selector needs either matchLabels or matchExpressions")
	}
	for i, action := range spec.Actions {
		if action.Action != "backup" && action.Action != "export" {
			bad("actions[%d]: the stand-in does not know %q", i, action.Action)
		}
		if action.Action == "backup" && action.BackupParameters != nil {
			problems = append(problems, action.BackupParameters.Filters.validate())
		}
	}
	return errors.Join(problems...)
}

func (f *Filters) validate() error {
	if len(f.IncludeClusterResources)+len(f.ExcludeClusterResources) > 0 {
		return errors.New("filters: the stand-in does not capture cluster-scoped resources")
	}
	for _, e := range slices.Concat(f.IncludeResources, f.ExcludeResources) {
		if e.Name == "" && e.Group == "" && e.Version == "" && e.Resource == "" && len(e.MatchLabels) == 0 {
			return errors.New("filters: an entry is empty")
		}
	}
	return nil
}

func (r *RestoreAction) validate() error {
	var problems []error
	bad := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("restore action "+r.Name+r.GenerateName+": "+format, args...))
	}
	spec := &r.Spec
	if spec.Subject.Kind != RestorePointKind || spec.Subject.Name == "" {
		bad("subject must be a %s with a name", RestorePointKind)
	}
	if spec.TargetNamespace == "" {
		bad("targetNamespace is missing")
	}
	filtered := len(spec.Filters.IncludeResources)+len(spec.Filters.ExcludeResources) > 0
	if spec.DataOnly && filtered {
		bad("dataOnly must be false with filters")
	}
	if spec.VolumeClones || spec.ArtifactOverrideProfile != nil || spec.PointInTime != "" {
		bad("the stand-in knows no volumeClones, artifactOverrideProfile, pointInTime")
	}
	problems = append(problems, spec.Filters.validate())
	for _, transform := range spec.Transforms {
		if transform.TransformSetRef == nil {
			problems = append(problems, transform.validate())
		}
	}
	return errors.Join(problems...)
}

func (t *Transform) validate() error {
	if t.Name == "" {
		return errors.New("transform: name is missing")
	}
	if t.Subject == nil || *t.Subject == (TransformSubject{}) {
		return fmt.Errorf("transform %s: subject needs one of group, version, resource, name", t.Name)
	}
	if len(t.JSON) == 0 {
		return fmt.Errorf("transform %s: json needs an operation", t.Name)
	}
	for _, op := range t.JSON {
		if !slices.Contains([]string{"test", "add", "remove", "copy", "move", "replace"}, op.Op) {
			return fmt.Errorf("transform %s: %q is no operation", t.Name, op.Op)
		}
	}
	return nil
}

func (b *BlueprintBinding) validate() error {
	var problems []error
	bad := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("binding "+b.Name+b.GenerateName+": "+format, args...))
	}
	if b.Spec.BlueprintRef.Name == "" || b.Spec.BlueprintRef.Namespace == "" {
		bad("blueprintRef needs name and namespace")
	}
	all := slices.Concat(b.Spec.Resources.MatchAll, b.Spec.Resources.MatchAny)
	if len(all) == 0 {
		bad("resources needs one requirement at least")
	}
	for i := range all {
		if err := all[i].validate(); err != nil {
			bad("requirement %d: %w", i, err)
		}
	}
	return errors.Join(problems...)
}

func (r *Requirement) validate() error {
	n := 0
	check := func(operator string, values int, withExists bool) error {
		n++
		switch metav1.LabelSelectorOperator(operator) {
		case metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn:
			if values == 0 {
				return fmt.Errorf("%s needs values", operator)
			}
			return nil
		case metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist:
			if values > 0 {
				return fmt.Errorf("%s takes no values", operator)
			}
			if withExists {
				return nil
			}
		}
		return fmt.Errorf("operator %q is not known", operator)
	}
	var err error
	if r.Type != nil {
		err = errors.Join(err, check(r.Type.Operator, len(r.Type.Values), false))
	}
	if r.Namespace != nil {
		err = errors.Join(err, check(r.Namespace.Operator, len(r.Namespace.Values), true))
	}
	for _, key := range []*KeyConstraint{r.Annotations, r.Labels} {
		if key == nil {
			continue
		}
		err = errors.Join(err, check(key.Operator, len(key.Values), true))
		if key.Key == "" {
			err = errors.Join(err, errors.New("key is missing"))
		}
	}
	if n != 1 {
		err = errors.Join(err, fmt.Errorf("%d constraints where one is needed", n))
	}
	return err
}
