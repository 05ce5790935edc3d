package configfile

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// checker compares a tree of YAML with a type.
type checker struct{ problems []error }

func check(root *yaml.Node, into any) []error {
	c := &checker{}
	c.value(root, reflect.TypeOf(into), "the file")
	return c.problems
}

func (c *checker) bad(node *yaml.Node, format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf("line %d: %s", node.Line, fmt.Sprintf(format, args...)))
}

// value checks what a node holds; name is what people call it.
func (c *checker) value(node *yaml.Node, t reflect.Type, name string) {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Tag == "!!null" || t.Implements(reflect.TypeFor[json.Unmarshaler]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		c.value(node, t.Elem(), name)
	case reflect.Struct:
		c.fields(node, t, name)
	case reflect.Map:
		c.entries(node, t, name)
	case reflect.Slice:
		c.items(node, t, name)
	default:
		c.scalar(node, t, name)
	}
}

func (c *checker) fields(node *yaml.Node, t reflect.Type, name string) {
	known := fieldsOf(t)
	c.pairs(node, name, func(key, value *yaml.Node) {
		field, ok := known[key.Value]
		switch {
		case key.Value == "<<": // a merge; what it brings is decoded strictly later
		case !ok:
			c.bad(key, "unknown field %q in %s: the fields are %s", key.Value, name, list(slices.Collect(maps.Keys(known))))
		default:
			c.value(value, field, key.Value)
		}
	})
}

func (c *checker) entries(node *yaml.Node, t reflect.Type, name string) {
	c.pairs(node, name, func(key, value *yaml.Node) { c.value(value, t.Elem(), name+"."+key.Value) })
}

// pairs goes through a mapping, and finds keys that are there twice.
func (c *checker) pairs(node *yaml.Node, name string, each func(key, value *yaml.Node)) {
	if node.Kind != yaml.MappingNode {
		c.bad(node, "%s must have fields, such as name: value", name)
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if line, twice := seen[key.Value]; twice {
			c.bad(key, "field %q is already in line %d", key.Value, line)
			continue
		}
		seen[key.Value] = key.Line
		each(key, node.Content[i+1])
	}
}

func (c *checker) items(node *yaml.Node, t reflect.Type, name string) {
	if node.Kind != yaml.SequenceNode {
		c.bad(node, "%s must be a list, such as [a, b]", name)
		return
	}
	for i, item := range node.Content {
		c.value(item, t.Elem(), fmt.Sprintf("%s[%d]", name, i))
	}
}

func (c *checker) scalar(node *yaml.Node, t reflect.Type, name string) {
	want := ""
	switch t.Kind() {
	case reflect.String:
		if node.Kind != yaml.ScalarNode {
			want = "a text"
		}
	case reflect.Bool:
		if node.Kind != yaml.ScalarNode || node.Tag != "!!bool" {
			want = "true or false"
		}
	case reflect.Int, reflect.Int32, reflect.Int64:
		if node.Kind != yaml.ScalarNode || node.Tag != "!!int" || node.Decode(reflect.New(t).Interface()) != nil {
			want = "a whole number"
		}
	}
	if want != "" {
		c.bad(node, "%s must be %s", name, want)
	}
}

// fieldsOf are the fields of a struct by their names in files, those of embedded ones included.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	found := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case name == "-":
		case f.Anonymous && name == "" && inner.Kind() == reflect.Struct:
			maps.Copy(found, fieldsOf(inner))
		case name == "" && f.IsExported():
			found[f.Name] = f.Type
		case name != "":
			found[name] = f.Type
		}
	}
	return found
}
