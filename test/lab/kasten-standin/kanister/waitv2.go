package kanister

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"text/template"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister/param"
)

// waitConditions is the arg conditions.
type waitConditions struct {
	AnyOf []waitCondition `json:"anyOf,omitempty"`
	AllOf []waitCondition `json:"allOf,omitempty"`
}

// waitCondition is true when its Go template, executed on the object, prints true.
type waitCondition struct {
	ObjectReference ObjectReference `json:"objectReference"`
	Condition       string          `json:"condition"`
}

// waitV2 waits for conditions on objects. The timeout and the conditions are no
// templates of Kanister's, the references are. Whatever goes wrong with a
// condition, a parse error too, is taken for not true yet.
func (c *Controller) waitV2(ctx context.Context, in call) (map[string]any, error) {
	limit, err := text(in.args, "timeout")
	if err != nil {
		return nil, err
	}
	timeout, err := time.ParseDuration(limit)
	if err != nil {
		return nil, fmt.Errorf("arg timeout: %w", err)
	}
	var conditions waitConditions
	if err := decode(in.args["conditions"], &conditions); err != nil {
		return nil, fmt.Errorf("arg conditions: %w", err)
	}
	for _, list := range [][]waitCondition{conditions.AnyOf, conditions.AllOf} {
		if err := renderReferences(list, in.tp); err != nil {
			return nil, err
		}
	}
	err = wait.PollUntilContextTimeout(ctx, c.poll(), timeout, true, func(ctx context.Context) (bool, error) {
		return c.holds(ctx, conditions), nil
	})
	if err != nil {
		return nil, param.Errorf("Failed to wait for the condition to be met: %s", err)
	}
	return nil, nil
}

func renderReferences(list []waitCondition, tp *param.TemplateParams) error {
	for i := range list {
		refs, err := param.Objects(map[string]ObjectReference{"objectReference": list[i].ObjectReference}, tp)
		if err != nil {
			return err
		}
		list[i].ObjectReference = refs["objectReference"]
	}
	return nil
}

func (c *Controller) holds(ctx context.Context, conditions waitConditions) bool {
	for _, condition := range conditions.AnyOf {
		if c.isTrue(ctx, condition) {
			return true
		}
	}
	for _, condition := range conditions.AllOf {
		if !c.isTrue(ctx, condition) {
			return false
		}
	}
	return len(conditions.AllOf) > 0
}

func (c *Controller) isTrue(ctx context.Context, condition waitCondition) bool {
	ref := condition.ObjectReference
	u, err := c.Dynamic.Resource(schema.GroupVersionResource{Group: ref.Group, Version: ref.APIVersion, Resource: ref.Resource}).
		Namespace(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return false
	}
	t, err := template.New("condition").Funcs(template.FuncMap{"base64decode": base64decode, "exists": exists}).Parse(condition.Condition)
	if err != nil {
		return false
	}
	var out bytes.Buffer
	return t.Execute(&out, u.Object) == nil && strings.TrimSpace(out.String()) == "true"
}

func base64decode(s string) (string, error) {
	decoded, err := base64.StdEncoding.DecodeString(s)
	return string(decoded), err
}

// exists tells whether a path of keys leads anywhere.
func exists(item any, keys ...string) bool {
	for _, key := range keys {
		m, ok := item.(map[string]any)
		if !ok {
			return false
		}
		if item, ok = m[key]; !ok {
			return false
		}
	}
	return true
}
