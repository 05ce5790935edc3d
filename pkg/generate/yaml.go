package generate

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// comments are by the path of what they stand above: keys joined by dots, with
// the index of an item of a list as a key.
type comments map[string]string

// toYAML writes a value made of structs with json tags, maps with string keys,
// slices, strings, integers and booleans: fields in their order, keys of maps
// sorted, comments where they belong. There is no null: a nil that is not left out
// by omitempty is a mistake of this package, and panics.
func toYAML(value any, notes comments) string {
	w := &yamlWriter{notes: notes}
	return strings.Join(w.lines(reflect.ValueOf(value), ""), "\n") + "\n"
}

type yamlWriter struct{ notes comments }

// lines of a value without indentation.
func (w *yamlWriter) lines(v reflect.Value, path string) []string {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return w.lines(v.Elem(), path)
		}
	case reflect.Struct:
		return w.mapping(structFields(v), path)
	case reflect.Map:
		return w.mapping(mapEntries(v), path)
	case reflect.Slice:
		return w.list(v, path)
	case reflect.String:
		return []string{quote(v.String())}
	case reflect.Bool, reflect.Int, reflect.Int64:
		return []string{fmt.Sprint(v.Interface())}
	}
	panic(fmt.Sprintf("no YAML for %s at %q", v.Kind(), path))
}

type entry struct {
	key   string
	value reflect.Value
}

func (w *yamlWriter) mapping(entries []entry, path string) []string {
	var out []string
	for _, e := range entries {
		at := join(path, e.key)
		out = append(out, w.comment(at)...)
		lines, key := w.lines(e.value, at), quote(e.key)+":"
		switch kind := indirect(e.value).Kind(); {
		case kind == reflect.Slice && lines[0] != "[]":
			out = append(append(out, key), lines...)
		case (kind == reflect.Map || kind == reflect.Struct) && lines[0] != "{}":
			out = append(append(out, key), indent(lines, "  ")...)
		default:
			out = append(out, key+" "+lines[0])
		}
	}
	if len(out) == 0 {
		return []string{"{}"}
	}
	return out
}

func (w *yamlWriter) list(v reflect.Value, path string) []string {
	var out []string
	for i := range v.Len() {
		at := join(path, strconv.Itoa(i))
		lines := indent(w.lines(v.Index(i), at), "  ")
		lines[0] = "- " + strings.TrimPrefix(lines[0], "  ")
		out = append(append(out, w.comment(at)...), lines...)
	}
	if len(out) == 0 {
		return []string{"[]"}
	}
	return out
}

func (w *yamlWriter) comment(path string) []string {
	if text, ok := w.notes[path]; ok {
		return strings.Split(comment(text), "\n")
	}
	return nil
}

// comment makes comment lines of a text.
func comment(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight("# "+line, " ")
	}
	return strings.Join(lines, "\n")
}

func join(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }

func indent(lines []string, by string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = by + line
	}
	return out
}

func indirect(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	return v
}

// structFields are the fields that JSON would write, those of inline structs too.
func structFields(v reflect.Value) []entry {
	var out []entry
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		field := v.Field(i)
		switch {
		case name == "-":
		case options == "inline":
			out = append(out, structFields(field)...)
		case strings.HasPrefix(options, "omit") && (field.IsZero() || isEmpty(field)):
		default:
			out = append(out, entry{name, field})
		}
	}
	return out
}

func isEmpty(v reflect.Value) bool {
	return (v.Kind() == reflect.Map || v.Kind() == reflect.Slice) && v.Len() == 0
}

func mapEntries(v reflect.Value) []entry {
	var out []entry
	for _, key := range v.MapKeys() {
		out = append(out, entry{key.String(), v.MapIndex(key)})
	}
	slices.SortFunc(out, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	return out
}

var (
	// plainText needs no quotes, wherever it stands: it begins like no number, and
	// has nothing in it that YAML reads.
	plainText = regexp.MustCompile(`^(--)?[A-Za-z/][A-Za-z0-9_./=@+-]*(:[A-Za-z0-9_./=@+-]+)*$`)
	// words of YAML 1.1, as old parsers read them, in any case.
	words = regexp.MustCompile(`(?i)^(y|yes|n|no|on|off|true|false|null)$`)
	// unprintable needs escapes.
	unprintable = regexp.MustCompile(`[^\x20-\x7e]`)
)

// quote writes a string so that YAML 1.1 and 1.2 read it as one.
func quote(s string) string {
	switch {
	case unprintable.MatchString(s):
		// All escapes of Go are escapes of YAML.
		return strconv.QuoteToASCII(s)
	case plainText.MatchString(s) && !words.MatchString(s):
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
