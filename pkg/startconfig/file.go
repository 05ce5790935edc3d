package startconfig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Defaults of Cassandra 4.0 to 5.0 (Config.java, DatabaseDescriptor.applyTokensConfig).
const (
	defaultTokens        = 1
	defaultClusterName   = "Test Cluster"
	defaultCompatibility = "CASSANDRA_4" // since 5.0; releases before have no such setting
)

// maxConfig bounds what is read of a configuration file.
const maxConfig = 4 << 20

// Read reads cassandra.yaml: num_tokens, cluster_name, storage_compatibility_mode and
// auto_repair.enabled. Automatic repair also counts as on where a file of JVM options
// beside it has the property. Whatever a small parser cannot be sure of is an error.
func Read(path string) (Config, error) {
	text, err := readFile(path)
	if err != nil {
		return Config{}, err
	}
	c, err := parse(text)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	if !c.AutoRepair {
		c.AutoRepair, err = inOptions(filepath.Dir(path))
	}
	return c, err
}

func readFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > maxConfig {
		return "", fmt.Errorf("%s: not a configuration file (no regular file of at most %d MiB)", path, maxConfig>>20)
	}
	content, err := os.ReadFile(path)
	return string(content), err
}

// inOptions looks for the property in jvm*.options and cassandra-env.sh.
func inOptions(dir string) (bool, error) {
	files, err := filepath.Glob(filepath.Join(dir, "jvm*.options"))
	if err != nil {
		return false, err
	}
	for _, path := range append(files, filepath.Join(dir, "cassandra-env.sh")) {
		text, err := readFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		for line := range strings.Lines(text) {
			if line, _, _ = strings.Cut(line, "#"); strings.Contains(line, AutoRepairProperty) {
				return true, nil
			}
		}
	}
	return false, nil
}

// parse reads the keys at the beginning of lines. Cassandra's file is a block mapping,
// whose other keys may have any values: those are indented, or list items, and skipped.
func parse(text string) (Config, error) {
	c := Config{Known: true, NumTokens: defaultTokens, ClusterName: defaultClusterName, Compatibility: defaultCompatibility}
	keys, err := topLevel(strings.TrimPrefix(text, "\ufeff"))
	if err != nil {
		return c, err
	}
	for key, into := range map[string]*string{"cluster_name": &c.ClusterName, "storage_compatibility_mode": &c.Compatibility} {
		if e, ok := keys[key]; ok {
			if *into, err = e.scalar(); err != nil {
				return c, fmt.Errorf("line %d: %s: %w", e.line, key, err)
			}
		}
	}
	c.Compatibility = strings.ToUpper(c.Compatibility)
	if e, ok := keys["num_tokens"]; ok {
		value, err := e.scalar()
		if err == nil {
			c.NumTokens, err = strconv.Atoi(value)
		}
		if err != nil || c.NumTokens < 1 || value != strconv.Itoa(c.NumTokens) {
			return c, fmt.Errorf("line %d: num_tokens %q is not a number above 0", e.line, e.value)
		}
	}
	if e, ok := keys["auto_repair"]; ok {
		c.AutoRepair = e.enabled()
	}
	return c, nil
}

// entry is a top-level key of the file.
type entry struct {
	line int
	// value is the rest of the line, without a comment; nested are the lines below.
	value  string
	nested []string
}

func topLevel(text string) (map[string]*entry, error) {
	keys := map[string]*entry{}
	var last *entry
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(withoutComment(line), " \t\r")
		switch {
		case line == "", strings.HasPrefix(line, "%"), line == "---" && last == nil:
			continue
		case line == "---", line == "...":
			return nil, fmt.Errorf("line %d: more than one document", i+1)
		case strings.HasPrefix(line, " "), strings.HasPrefix(line, "\t"), strings.HasPrefix(line, "-"), strings.HasPrefix(line, "}"), strings.HasPrefix(line, "]"):
			if last != nil {
				last.nested = append(last.nested, line)
			} else if strings.TrimSpace(line) != "" {
				return nil, fmt.Errorf("line %d: not a list of keys and values", i+1)
			}
			continue
		}
		key, value, found := strings.Cut(line+" ", ": ")
		if !found || strings.HasPrefix(line, "{") {
			return nil, fmt.Errorf("line %d: %q is not a key with a value", i+1, line)
		}
		key = strings.Trim(strings.TrimSpace(key), `"'`)
		if keys[key] != nil {
			return nil, fmt.Errorf("line %d: %s is set twice (first in line %d)", i+1, key, keys[key].line)
		}
		last = &entry{line: i + 1, value: strings.TrimSpace(value)}
		keys[key] = last
	}
	if len(keys) == 0 {
		return nil, errors.New("no keys: not a cassandra.yaml")
	}
	return keys, nil
}

// withoutComment cuts a comment: a # at the beginning or after a space, outside quotes.
func withoutComment(line string) string {
	var quote rune
	before := ' '
	for i, r := range line {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case (r == '"' || r == '\'') && strings.ContainsRune(" \t[{,:", before):
			quote = r
		case r == '#' && (before == ' ' || before == '\t'):
			return line[:i]
		}
		before = r
	}
	return line
}

// scalar is a value of one line, plain or in quotes without escapes.
func (e *entry) scalar() (string, error) {
	v := e.value
	if len(e.nested) > 0 || v == "" {
		return "", errors.New("its value is not on one line: write it there")
	}
	for _, quote := range []string{`"`, `'`} {
		if inner, ok := strings.CutPrefix(v, quote); ok {
			inner, ok = strings.CutSuffix(inner, quote)
			if !ok || strings.ContainsAny(inner, quote+`\`) {
				return "", fmt.Errorf("cannot read the quoted value %s", v)
			}
			return inner, nil
		}
	}
	if strings.ContainsAny(v[:1], "&*!|>{[@%`") || strings.Contains(v, "${") {
		return "", fmt.Errorf("cannot read the value %s: write it as plain text", v)
	}
	return v, nil
}

// enabled tells whether the entry's mapping has enabled: true, on its line or below.
func (e *entry) enabled() bool {
	parts := strings.FieldsFunc(e.value, func(r rune) bool { return r == '{' || r == '}' || r == ',' })
	indent := -1
	for _, line := range e.nested {
		text := strings.TrimLeft(line, " ")
		if at := len(line) - len(text); indent < 0 || at == indent {
			indent = at
			parts = append(parts, text)
		}
	}
	for _, part := range parts {
		key, value, _ := strings.Cut(part, ":")
		if strings.Trim(strings.TrimSpace(key), `"'`) == "enabled" {
			return strings.EqualFold(strings.TrimSpace(value), "true")
		}
	}
	return false
}
