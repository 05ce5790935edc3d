package kanister

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// text is an arg as a string, decoded as weakly as Kanister does: a number becomes
// its digits, a boolean 1 or 0.
func text(args map[string]any, name string) (string, error) {
	value, ok := args[name]
	if !ok {
		return "", nil
	}
	s, err := weakString(value)
	if err != nil {
		return "", fmt.Errorf("arg %s: %w", name, err)
	}
	return s, nil
}

// list is an arg as a list of strings; a single value is a list of one.
func list(args map[string]any, name string) ([]string, error) {
	items, ok := args[name].([]any)
	if !ok {
		s, err := text(args, name)
		return []string{s}, err
	}
	out := make([]string, 0, len(items))
	for _, item := range items {
		s, err := weakString(item)
		if err != nil {
			return nil, fmt.Errorf("arg %s: %w", name, err)
		}
		out = append(out, s)
	}
	return out, nil
}

func weakString(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		if v {
			return "1", nil
		}
		return "0", nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	default:
		return "", fmt.Errorf("expected a string, got %T", value)
	}
}

// object is an arg as a map. An absent one is nil.
func object(args map[string]any, name string) (map[string]any, error) {
	value, ok := args[name]
	if !ok {
		return nil, nil
	}
	m, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("arg %s: expected a map, got %T", name, value)
	}
	return m, nil
}

// stringMap is an arg as a map of strings.
func stringMap(args map[string]any, name string) (map[string]string, error) {
	m, err := object(args, name)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for key, value := range m {
		if out[key], err = weakString(value); err != nil {
			return nil, fmt.Errorf("arg %s: key %s: %w", name, key, err)
		}
	}
	return out, nil
}

// lastLines joins log lines for an error.
func lastLines(lines []string) string { return strings.Join(lines, "\n") }
