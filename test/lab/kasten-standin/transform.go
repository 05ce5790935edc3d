package kastenstandin

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// errTest is a test operation that does not hold: the object is left as it is.
var errTest = errors.New("test does not hold")

// transforms resolves references to TransformSets.
func (c *Catalog) transforms(list []Transform) ([]Transform, error) {
	var out []Transform
	for _, t := range list {
		if t.TransformSetRef == nil {
			out = append(out, t)
			continue
		}
		set := c.TransformSets[t.TransformSetRef.Name]
		if set == nil {
			return nil, fmt.Errorf("transform set %s is not in Kasten's namespace", t.TransformSetRef.Name)
		}
		out = append(out, set.Spec.Transforms...)
	}
	return out, nil
}

// apply returns the object as the transform makes it. A test that does not hold
// leaves it; any other failure is an error.
func (t *Transform) apply(o object) (object, error) {
	s := t.Subject
	if s == nil || !o.ID.matches(s.Group, s.Version, s.Resource, s.Name) {
		return o, nil
	}
	document := o.DeepCopy().Object
	for _, op := range t.JSON {
		var err error
		document, err = op.apply(document)
		if errors.Is(err, errTest) {
			return o, nil
		}
		if err != nil {
			return o, fmt.Errorf("transform %s of %s: %s %s: %w", t.Name, o.ID, op.Op, op.Path, err)
		}
	}
	changed := newObject(o.gvr(), &unstructured.Unstructured{Object: document})
	if o.isClaim() && !reflect.DeepEqual(storageOf(o), storageOf(changed)) {
		return o, fmt.Errorf("transform %s of %s: Kasten does not change the size of a volume", t.Name, o.ID)
	}
	return changed, nil
}

func storageOf(o object) any {
	size, _, err := unstructured.NestedFieldNoCopy(o.Object, "spec", "resources", "requests", "storage")
	if err != nil {
		return nil
	}
	return size
}

// apply does one operation at every place that its path means.
func (op Operation) apply(document map[string]any) (map[string]any, error) {
	paths := []string{op.Path}
	if strings.Contains(op.Path, "*") {
		if paths = expand(document, op.Path, op.Op == "add"); len(paths) == 0 {
			return nil, op.failure(errors.New("no place matches"))
		}
	}
	for _, path := range paths {
		var err error
		if document, err = op.applyAt(document, path); err != nil {
			return nil, op.failure(err)
		}
	}
	return document, nil
}

// failure makes every failure of a test the same.
func (op Operation) failure(err error) error {
	if op.Op == "test" {
		return errTest
	}
	return err
}

func (op Operation) applyAt(document map[string]any, path string) (map[string]any, error) {
	// RFC 6902 wants both to be there; the library is lenient.
	for _, needed := range map[string][]string{"replace": {path}, "copy": {op.From}, "move": {op.From}}[op.Op] {
		if !has(document, needed) {
			return nil, fmt.Errorf("nothing is at %s", needed)
		}
	}
	value := op.Value
	if op.Regex != "" {
		var err error
		if value, err = op.withRegex(document, path); err != nil {
			return nil, err
		}
		if op.Op == "test" {
			return document, nil
		}
	}
	one := map[string]any{"op": op.Op, "path": path}
	if op.From != "" {
		one["from"] = op.From
	}
	if op.Op == "test" || op.Op == "add" || op.Op == "replace" {
		one["value"] = value
	}
	return patch(document, one)
}

func patch(document map[string]any, operation map[string]any) (map[string]any, error) {
	content, err := json.Marshal([]any{operation})
	if err != nil {
		return nil, err
	}
	decoded, err := jsonpatch.DecodePatch(content)
	if err != nil {
		return nil, err
	}
	before, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	after, err := decoded.Apply(before)
	if err != nil {
		return nil, err
	}
	var u unstructured.Unstructured
	if err := u.UnmarshalJSON(after); err != nil {
		return nil, err
	}
	return u.Object, nil
}

// withRegex is the value with $1 and the like from the string that is there, or
// for copy and move at from.
func (op Operation) withRegex(document map[string]any, path string) (any, error) {
	re, err := regexp.Compile(op.Regex)
	if err != nil {
		return nil, err
	}
	have, ok := lookUp(document, path).(string)
	if !ok {
		return nil, errors.New("a regex needs a string to match")
	}
	if !re.MatchString(have) {
		return nil, fmt.Errorf("%q does not match %s", have, op.Regex)
	}
	template, ok := op.Value.(string)
	if !ok && op.Op != "test" {
		return nil, errors.New("a regex needs a string as value")
	}
	return re.ReplaceAllString(have, template), nil
}

func split(path string) []string {
	var parts []string
	for _, part := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		parts = append(parts, strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~"))
	}
	return parts
}

func escape(part string) string {
	return strings.ReplaceAll(strings.ReplaceAll(part, "~", "~0"), "/", "~1")
}

// lookUp is what is at a path, or nil.
func lookUp(node any, path string) any {
	for _, part := range split(path) {
		node = child(node, part)
	}
	return node
}

// has tells whether anything is at a path, a null too.
func has(document map[string]any, path string) bool {
	parts := split(path)
	last := len(parts) - 1
	var node any = document
	for _, part := range parts[:last] {
		node = child(node, part)
	}
	return slices.Contains(keysOf(node), parts[last])
}

func child(node any, part string) any {
	switch v := node.(type) {
	case map[string]any:
		return v[part]
	case []any:
		if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(v) {
			return v[i]
		}
	}
	return nil
}

// expand finds the places that a path with wildcards means: * is one step, ** any
// number of steps. Places that are not there are left out, but for the last step
// where it may be created.
func expand(document map[string]any, path string, create bool) []string {
	w := walker{create: create}
	w.walk(document, split(path), "")
	return w.found
}

// walker collects places.
type walker struct {
	create bool
	found  []string
}

func (w *walker) walk(node any, parts []string, at string) {
	if len(parts) == 0 {
		w.found = append(w.found, at)
		return
	}
	part, rest := parts[0], parts[1:]
	switch {
	case part == "**":
		w.walk(node, rest, at)
		for _, key := range keysOf(node) {
			w.walk(child(node, key), parts, at+"/"+escape(key))
		}
	case part == "*":
		for _, key := range keysOf(node) {
			w.walk(child(node, key), rest, at+"/"+escape(key))
		}
	case child(node, part) != nil || (w.create && len(rest) == 0 && isContainer(node)):
		w.walk(child(node, part), rest, at+"/"+escape(part))
	}
}

func isContainer(node any) bool {
	switch node.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

func keysOf(node any) []string {
	switch v := node.(type) {
	case map[string]any:
		return slices.Sorted(maps.Keys(v))
	case []any:
		keys := make([]string, len(v))
		for i := range v {
			keys[i] = strconv.Itoa(i)
		}
		return keys
	}
	return nil
}
