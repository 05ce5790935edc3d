package schema

import (
	"fmt"
	"strings"
)

// cursor walks over the tokens of one statement.
type cursor struct {
	text   string
	tokens []token
	pos    int
}

func newCursor(text string) (*cursor, error) {
	tokens, err := code(text)
	if err != nil {
		return nil, err
	}
	return &cursor{text: text, tokens: tokens}, nil
}

// done tells whether all tokens are taken.
func (c *cursor) done() bool { return c.pos >= len(c.tokens) }

// at tells whether the given words come next.
func (c *cursor) at(words ...string) bool {
	if c.pos+len(words) > len(c.tokens) {
		return false
	}
	for i, w := range words {
		if !c.tokens[c.pos+i].is(w) {
			return false
		}
	}
	return true
}

// accept takes the words when they come next.
func (c *cursor) accept(words ...string) bool {
	if !c.at(words...) {
		return false
	}
	c.pos += len(words)
	return true
}

// expect takes the words or fails.
func (c *cursor) expect(words ...string) error {
	if c.accept(words...) {
		return nil
	}
	return fmt.Errorf("expected %q %s", strings.Join(words, " "), c.where())
}

// where says where the cursor stands.
func (c *cursor) where() string {
	if c.done() {
		return "at the end"
	}
	return fmt.Sprintf("at %.40q", c.text[c.tokens[c.pos].start:])
}

// name takes an identifier and gives it unquoted.
func (c *cursor) name() (string, error) {
	if c.done() || !c.tokens[c.pos].isName() {
		return "", fmt.Errorf("expected a name %s", c.where())
	}
	c.pos++
	return c.tokens[c.pos-1].name(), nil
}

// qualified takes keyspace.name.
func (c *cursor) qualified() (keyspace, name string, err error) {
	if keyspace, err = c.name(); err != nil {
		return "", "", err
	}
	if err = c.expect("."); err != nil {
		return "", "", err
	}
	name, err = c.name()
	return keyspace, name, err
}

// group takes a balanced group that begins with the given symbol and gives the
// tokens inside.
func (c *cursor) group(open string) ([]token, error) {
	if !c.at(open) {
		return nil, fmt.Errorf("expected %q %s", open, c.where())
	}
	depth := 0
	for i := c.pos; i < len(c.tokens); i++ {
		depth += nesting(c.tokens[i])
		if depth == 0 {
			inside := c.tokens[c.pos+1 : i]
			c.pos = i + 1
			return inside, nil
		}
	}
	return nil, fmt.Errorf("%q is not closed", open)
}

// until takes everything before the words, which must come outside of groups.
func (c *cursor) until(words ...string) ([]token, error) {
	depth, from := 0, c.pos
	for ; !c.done(); c.pos++ {
		if depth == 0 && c.at(words...) {
			return c.tokens[from:c.pos], nil
		}
		depth += nesting(c.tokens[c.pos])
	}
	c.pos = from
	return nil, fmt.Errorf("no %q after %s", strings.Join(words, " "), c.where())
}

// rest takes what is left.
func (c *cursor) rest() []token {
	out := c.tokens[c.pos:]
	c.pos = len(c.tokens)
	return out
}

// raw gives the text that the tokens span.
func (c *cursor) raw(tokens []token) string { return raw(c.text, tokens) }

func raw(text string, tokens []token) string {
	if len(tokens) == 0 {
		return ""
	}
	return text[tokens[0].start:tokens[len(tokens)-1].end]
}

// nesting is 1 for an opening bracket, -1 for a closing one.
func nesting(t token) int {
	switch {
	case t.is("("), t.is("{"), t.is("["):
		return 1
	case t.is(")"), t.is("}"), t.is("]"):
		return -1
	}
	return 0
}

// typeNesting counts angle brackets too, which elsewhere are comparisons.
func typeNesting(t token) int {
	switch {
	case t.is("<"):
		return 1
	case t.is(">"):
		return -1
	}
	return nesting(t)
}

// splitAt cuts tokens at a word or symbol outside of groups and of the
// parameters of types.
func splitAt(tokens []token, word string) [][]token {
	var out [][]token
	depth, from := 0, 0
	for i, t := range tokens {
		if depth == 0 && t.is(word) {
			out = append(out, tokens[from:i])
			from = i + 1
		}
		depth += typeNesting(t)
	}
	if len(tokens) > 0 {
		out = append(out, tokens[from:])
	}
	return out
}
