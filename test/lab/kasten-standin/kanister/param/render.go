package param

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
)

// ErrNull is a null in the args of a phase. The real controller does not return
// an error: it panics, its process dies, and the ActionSet stays running.
var ErrNull = errors.New("null in args: the Kanister controller panics and dies of it; leave the key out")

// undefinedKey is how text/template begins to speak of a missing map key.
const undefinedKey = "map has no entry for key "

// Error is an error in the controller's own words, which are not this project's
// style.
type Error string

// Error implements error.
func (e Error) Error() string { return string(e) }

// Errorf makes an error in the controller's words.
func Errorf(format string, args ...any) error { return Error(fmt.Sprintf(format, args...)) }

// RenderArgs renders every string below the values of args. The names of args
// themselves are no templates, the keys of maps below are.
func RenderArgs(args map[string]any, tp *TemplateParams) (map[string]any, error) {
	out := make(map[string]any, len(args))
	for _, name := range slices.Sorted(maps.Keys(args)) {
		value, err := Render(args[name], tp)
		if err != nil {
			return nil, fmt.Errorf("arg %s: %w", name, err)
		}
		out[name] = value
	}
	return out, nil
}

// Render renders every string in a value, the keys of maps too. Numbers and
// booleans pass through; a null is ErrNull.
func Render(value any, tp *TemplateParams) (any, error) {
	switch v := value.(type) {
	case nil:
		return nil, ErrNull
	case string:
		return String(v, tp)
	case []any:
		return renderList(v, tp)
	case map[string]any:
		return renderMap(v, tp)
	default:
		return value, nil
	}
}

func renderList(list []any, tp *TemplateParams) (any, error) {
	out := make([]any, 0, len(list))
	for _, item := range list {
		rendered, err := Render(item, tp)
		if err != nil {
			return nil, err
		}
		out = append(out, rendered)
	}
	return out, nil
}

func renderMap(m map[string]any, tp *TemplateParams) (any, error) {
	out := make(map[string]any, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		name, err := String(key, tp)
		if err != nil {
			return nil, err
		}
		if out[name], err = Render(m[key], tp); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// String renders one template.
func String(text string, tp *TemplateParams) (string, error) {
	t, err := template.New("config").Option("missingkey=error").Funcs(functions()).Parse(text)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	// The value, not the pointer: the type's name stands in errors.
	if err := t.Execute(&out, *tp); err != nil {
		if i := strings.LastIndex(err.Error(), undefinedKey); i >= 0 {
			key := strings.Trim(err.Error()[i+len(undefinedKey):], `"`)
			return "", Errorf("Failed to render template: %q not found", key)
		}
		return "", err
	}
	return out.String(), nil
}

// functions are sprig's without those that are blocked under FIPS.
func functions() template.FuncMap {
	funcs := sprig.TxtFuncMap()
	for _, name := range []string{"bcrypt", "derivePassword", "htpasswd"} {
		funcs[name] = func(...any) (string, error) { return "", fmt.Errorf("function %s is blocked under FIPS", name) }
	}
	generate := funcs["genPrivateKey"].(func(string) string)
	funcs["genPrivateKey"] = func(kind string) (string, error) {
		if kind == "dsa" {
			return "", errors.New("function genPrivateKey is blocked under FIPS for dsa")
		}
		return generate(kind), nil
	}
	return funcs
}

// Artifacts renders the output artifacts of an action. Their names and keys are
// no templates.
func Artifacts(in map[string]Artifact, tp *TemplateParams) (map[string]Artifact, error) {
	out := make(map[string]Artifact, len(in))
	for _, name := range slices.Sorted(maps.Keys(in)) {
		a, err := renderArtifact(in[name], tp)
		if err != nil {
			return nil, fmt.Errorf("output artifact %s: %w", name, err)
		}
		out[name] = a
	}
	return out, nil
}

func renderArtifact(in Artifact, tp *TemplateParams) (Artifact, error) {
	var out Artifact
	for _, key := range slices.Sorted(maps.Keys(in.KeyValue)) {
		value, err := String(in.KeyValue[key], tp)
		if err != nil {
			return Artifact{}, err
		}
		if out.KeyValue == nil {
			out.KeyValue = map[string]string{}
		}
		out.KeyValue[key] = value
	}
	var err error
	out.KopiaSnapshot, err = String(in.KopiaSnapshot, tp)
	return out, err
}

// Objects renders the object references of a phase.
func Objects(in map[string]ObjectReference, tp *TemplateParams) (map[string]ObjectReference, error) {
	out := make(map[string]ObjectReference, len(in))
	for _, name := range slices.Sorted(maps.Keys(in)) {
		ref := in[name]
		for _, field := range []*string{&ref.APIVersion, &ref.Group, &ref.Resource, &ref.Kind, &ref.Name, &ref.Namespace} {
			value, err := String(*field, tp)
			if err != nil {
				return nil, fmt.Errorf("could not render object reference {%s}: %w", name, err)
			}
			*field = value
		}
		out[name] = ref
	}
	return out, nil
}
