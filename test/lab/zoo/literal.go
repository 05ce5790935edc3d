package zoo

import (
	"fmt"
	"strconv"
	"strings"
)

// cqlType is a parsed type of system_schema, such as
// frozen<map<text, frozen<list<int>>>>.
type cqlType struct {
	name string
	args []cqlType
}

// parseType reads a type as system_schema.columns and .types spell it.
func parseType(s string) cqlType {
	s = strings.TrimSpace(s)
	open := strings.IndexByte(s, '<')
	if open < 0 || !strings.HasSuffix(s, ">") {
		return cqlType{name: strings.Trim(s, `"`)}
	}
	t := cqlType{name: s[:open]}
	depth, start, inner := 0, 0, s[open+1:len(s)-1]
	for i, r := range inner {
		switch {
		case r == '<':
			depth++
		case r == '>':
			depth--
		case r == ',' && depth == 0:
			t.args = append(t.args, parseType(inner[start:i]))
			start = i + 1
		}
	}
	t.args = append(t.args, parseType(inner[start:]))
	if t.name == "frozen" {
		return t.args[0]
	}
	return t
}

// writer makes literals of the types of one keyspace.
type writer struct {
	keyspace string
	types    map[string][]column
}

// literal is the value of a type for a seed, always the same and different for
// each seed up to some thousands (tinyint: 100, boolean: 2).
func (w writer) literal(t cqlType, seed int) (string, error) {
	if value, ok := scalar(t.name, seed); ok {
		return value, nil
	}
	switch t.name {
	case "list", "set", "vector", "tuple":
		return w.sequence(t, seed)
	case "map":
		var pairs []string
		for i := range 1 + seed%3 {
			key, err := w.literal(t.args[0], seed+i)
			if err != nil {
				return "", err
			}
			value, err := w.literal(t.args[1], seed+2*i)
			if err != nil {
				return "", err
			}
			pairs = append(pairs, key+": "+value)
		}
		return "{" + strings.Join(pairs, ", ") + "}", nil
	}
	fields, ok := w.types[w.keyspace+"."+t.name]
	if !ok {
		return "", fmt.Errorf("value of type %q in keyspace %s: no such type", t.name, w.keyspace)
	}
	var pairs []string
	for i, f := range fields {
		value, err := w.literal(parseType(f.typ), seed+i)
		if err != nil {
			return "", err
		}
		pairs = append(pairs, quote(f.name)+": "+value)
	}
	return "{" + strings.Join(pairs, ", ") + "}", nil
}

// sequence is a literal of elements in a row.
func (w writer) sequence(t cqlType, seed int) (string, error) {
	var types []cqlType
	brackets := "[]"
	switch t.name {
	case "tuple":
		types, brackets = t.args, "()"
	case "vector":
		length, err := strconv.Atoi(t.args[1].name)
		if err != nil {
			return "", fmt.Errorf("length of a vector: %w", err)
		}
		for range length {
			types = append(types, t.args[0])
		}
	default:
		for range 1 + seed%3 {
			types = append(types, t.args[0])
		}
		if t.name == "set" {
			brackets = "{}"
		}
	}
	var elements []string
	for i, e := range types {
		value, err := w.literal(e, seed+i)
		if err != nil {
			return "", err
		}
		elements = append(elements, value)
	}
	return brackets[:1] + strings.Join(elements, ", ") + brackets[1:], nil
}

// scalar is the literal of a native type.
func scalar(name string, seed int) (string, bool) {
	sign := 1 - 2*(seed%2)
	switch name {
	case "ascii":
		return fmt.Sprintf("'ascii %d'", seed), true
	case "text", "varchar":
		return text(seed), true
	case "bigint":
		return strconv.Itoa(sign * (seed*1_000_000_007 + 1)), true
	case "int", "smallint":
		return strconv.Itoa(seed), true
	case "tinyint":
		return strconv.Itoa(seed % 100), true
	case "varint":
		return fmt.Sprintf("%d%030d", sign*(seed+1), seed), true
	case "decimal":
		return fmt.Sprintf("%d.%010d", sign*(seed+1), seed), true
	case "double", "float":
		return fmt.Sprintf("%d.25", sign*(seed+1)), true
	case "boolean":
		return strconv.FormatBool(seed%2 == 0), true
	case "blob":
		return fmt.Sprintf("0x%04x00ff%s", seed, strings.Repeat("3b27", seed%50)), true
	}
	return moment(name, seed)
}

// text has now and then what confuses a parser.
func text(seed int) string {
	if seed%5 == 3 {
		return fmt.Sprintf("'it''s; \"%d\" $$ {ünï} -- /* ☃\n\t*/'", seed)
	}
	return fmt.Sprintf("'value %d'", seed)
}

// moment is the literal of times, ids and addresses.
func moment(name string, seed int) (string, bool) {
	switch name {
	case "date":
		return fmt.Sprintf("'%04d-02-%02d'", 1900+seed/28, 1+seed%28), true
	case "time":
		return fmt.Sprintf("'%02d:%02d:59.%09d'", seed/60%24, seed%60, seed), true
	case "timestamp":
		return fmt.Sprintf("'2024-02-%02dT%02d:%02d:59.123+0000'", 1+seed/1440, seed/60%24, seed%60), true
	case "duration":
		return fmt.Sprintf("%dmo%dd%dns", seed%30, seed, seed+1), true
	case "inet":
		if seed%2 == 0 {
			return fmt.Sprintf("'10.0.%d.%d'", seed/256, seed%256), true
		}
		return fmt.Sprintf("'2001:db8::%x'", seed+1), true
	case "uuid":
		return fmt.Sprintf("%08x-0000-4000-8000-0000000000bb", seed), true
	case "timeuuid":
		return fmt.Sprintf("%08x-c0de-11ee-8000-0000000000bb", seed), true
	}
	return "", false
}
