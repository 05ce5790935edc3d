package generate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// comments are by the path of what they stand above: keys joined by dots, with
// the index of an item of a list as a key.
type comments map[string]string

// toYAML writes what JSON would have, in block style: fields in their order, keys of
// maps sorted, comments where they belong. There is no null: a nil that is not left
// out by omitempty is a mistake of this package, and panics.
func toYAML(value any, notes comments) string {
	asJSON, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("no YAML for %T: %v", value, err))
	}
	tokens := json.NewDecoder(bytes.NewReader(asJSON))
	tokens.UseNumber()
	var out bytes.Buffer
	w := yaml.NewEncoder(&out)
	w.SetIndent(2)
	w.CompactSeqIndent()
	if err := w.Encode(notes.node(tokens, "")); err != nil {
		panic(fmt.Sprintf("no YAML for %T: %v", value, err))
	}
	return out.String()
}

// node is the next value of JSON with the comments in it. Tokens keep the order of keys.
func (c comments) node(tokens *json.Decoder, path string) *yaml.Node {
	switch token := next(tokens).(type) {
	case json.Delim:
		if token == '[' {
			return c.sequence(tokens, path)
		}
		return c.mapping(tokens, path)
	case string:
		return text(token)
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: token.String()}
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatBool(token)}
	}
	panic(fmt.Sprintf("no YAML for null at %q", path))
}

func (c comments) mapping(tokens *json.Decoder, path string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for tokens.More() {
		name := next(tokens).(string)
		at, key := join(path, name), text(name)
		key.HeadComment = c.above(at)
		n.Content = append(n.Content, key, c.node(tokens, at))
	}
	next(tokens)
	return n
}

func (c comments) sequence(tokens *json.Decoder, path string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for tokens.More() {
		at := join(path, strconv.Itoa(len(n.Content)))
		item := c.node(tokens, at)
		item.HeadComment = c.above(at)
		n.Content = append(n.Content, item)
	}
	next(tokens)
	return n
}

func next(tokens *json.Decoder) json.Token {
	token, err := tokens.Token()
	if err != nil {
		panic(fmt.Sprintf("no YAML: %v", err)) // it was marshalled here
	}
	return token
}

func text(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: quotes(s), Value: s}
}

func (c comments) above(path string) string {
	if text, ok := c[path]; ok {
		return comment(text)
	}
	return ""
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

var (
	// plainText needs no quotes, wherever it stands: it begins like no number, and
	// has nothing in it that YAML reads.
	plainText = regexp.MustCompile(`^(--)?[A-Za-z/][A-Za-z0-9_./=@+-]*(:[A-Za-z0-9_./=@+-]+)*$`)
	// words of YAML 1.1, as old parsers read them, in any case.
	words = regexp.MustCompile(`(?i)^(y|yes|n|no|on|off|true|false|null)$`)
	// unprintable needs escapes.
	unprintable = regexp.MustCompile(`[^\x20-\x7e]`)
)

// quotes are those that a string needs so that YAML 1.1 and 1.2 read it as one.
func quotes(s string) yaml.Style {
	switch {
	case unprintable.MatchString(s):
		return yaml.DoubleQuotedStyle
	case plainText.MatchString(s) && !words.MatchString(s):
		return 0
	}
	return yaml.SingleQuotedStyle
}
