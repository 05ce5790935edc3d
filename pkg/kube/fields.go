package kube

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// fields reads an object whose fields may be missing or of another type.
type fields map[string]any

func (f fields) text(path ...string) string {
	s, _, _ := unstructured.NestedString(f, path...)
	return s
}

func (f fields) flag(path ...string) bool {
	b, _, _ := unstructured.NestedBool(f, path...)
	return b
}

// number takes what JSON and YAML decoders make of a number.
func (f fields) number(path ...string) int64 {
	v, _, _ := unstructured.NestedFieldNoCopy(f, path...)
	switch n := v.(type) {
	case int64:
		return n
	case int:
		return int64(n)
	case float64:
		return int64(n)
	}
	return 0
}

// time is zero where there is none.
func (f fields) time(path ...string) time.Time {
	at, err := time.Parse(time.RFC3339, f.text(path...))
	if err != nil {
		return time.Time{}
	}
	return at
}

func (f fields) object(path ...string) map[string]any {
	v, _, _ := unstructured.NestedFieldNoCopy(f, path...)
	o, _ := v.(map[string]any)
	return o
}

// objects are the elements of a list that are objects.
func (f fields) objects(path ...string) []fields {
	v, _, _ := unstructured.NestedFieldNoCopy(f, path...)
	list, _ := v.([]any)
	var found []fields
	for _, e := range list {
		if o, ok := e.(map[string]any); ok {
			found = append(found, fields(o))
		}
	}
	return found
}
