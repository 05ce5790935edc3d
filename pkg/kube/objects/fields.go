package objects

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Fields reads an object whose fields may be missing or of another type.
type Fields map[string]any

// Text is empty where there is none.
func (f Fields) Text(path ...string) string {
	s, _, _ := unstructured.NestedString(f, path...)
	return s
}

// Flag is false where there is none.
func (f Fields) Flag(path ...string) bool {
	b, _, _ := unstructured.NestedBool(f, path...)
	return b
}

// Number takes what JSON and YAML decoders make of a number.
func (f Fields) Number(path ...string) int64 {
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

// Time is zero where there is none.
func (f Fields) Time(path ...string) time.Time {
	at, err := time.Parse(time.RFC3339, f.Text(path...))
	if err != nil {
		return time.Time{}
	}
	return at
}

// Object is nil where there is none.
func (f Fields) Object(path ...string) map[string]any {
	v, _, _ := unstructured.NestedFieldNoCopy(f, path...)
	o, _ := v.(map[string]any)
	return o
}

// Objects are the elements of a list that are objects.
func (f Fields) Objects(path ...string) []Fields {
	v, _, _ := unstructured.NestedFieldNoCopy(f, path...)
	list, _ := v.([]any)
	var found []Fields
	for _, e := range list {
		if o, ok := e.(map[string]any); ok {
			found = append(found, Fields(o))
		}
	}
	return found
}
