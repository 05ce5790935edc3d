package schema

import (
	"fmt"
	"strings"
)

// tokenKind classifies a token of CQL.
type tokenKind int

const (
	tokenWord    tokenKind = iota // identifiers, keywords, numbers, UUIDs
	tokenName                     // "quoted name"
	tokenLiteral                  // 'string' or $$string$$
	tokenComment                  // -- … , // … , /* … */
	tokenSymbol                   // any other single rune
)

// token is one token and where it stands in its text.
type token struct {
	kind       tokenKind
	text       string
	start, end int
}

// is tells whether the token is the given keyword (lower case) or symbol.
func (t token) is(word string) bool {
	return (t.kind == tokenWord || t.kind == tokenSymbol) && strings.EqualFold(t.text, word)
}

// name gives the identifier that a word or quoted name stands for: Cassandra
// folds unquoted names to lower case (cql3.ColumnIdentifier, ParserErrors).
func (t token) name() string {
	if t.kind == tokenName {
		return strings.ReplaceAll(t.text[1:len(t.text)-1], `""`, `"`)
	}
	return strings.ToLower(t.text)
}

// isName tells whether the token can be an identifier.
func (t token) isName() bool { return t.kind == tokenWord || t.kind == tokenName }

// value gives the content of a literal.
func (t token) value() string {
	if strings.HasPrefix(t.text, "$$") {
		return t.text[2 : len(t.text)-2]
	}
	return strings.ReplaceAll(t.text[1:len(t.text)-1], "''", "'")
}

// canonical is one spelling for all spellings of the same token.
func (t token) canonical() string {
	switch t.kind {
	case tokenLiteral:
		return literal(t.value())
	case tokenName:
		if plainName(t.name()) {
			return t.name()
		}
		return t.text
	default:
		return strings.ToLower(t.text)
	}
}

// literal writes a string literal of CQL.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// scan cuts CQL into tokens as org.apache.cassandra's Lexer.g does, white space
// left out. An unterminated literal, name or comment is an error.
func scan(text string) ([]token, error) {
	var out []token
	for pos := 0; pos < len(text); {
		if strings.IndexByte(" \t\r\n\f", text[pos]) >= 0 {
			pos++
			continue
		}
		kind, size := next(text[pos:])
		if size == 0 {
			return nil, fmt.Errorf("scan CQL: %s is not closed: %.40q", kind, text[pos:])
		}
		out = append(out, token{kind: kind, text: text[pos : pos+size], start: pos, end: pos + size})
		pos += size
	}
	return out, nil
}

// String names what a token of the kind is to people.
func (k tokenKind) String() string {
	switch k {
	case tokenName:
		return "quoted name"
	case tokenLiteral:
		return "string"
	case tokenComment:
		return "comment"
	}
	return "token"
}

// next finds kind and size of the token that text begins with; size 0 means
// that it is not closed.
func next(text string) (kind tokenKind, size int) {
	switch {
	case text[0] == '\'':
		return tokenLiteral, quoted(text, '\'')
	case text[0] == '"':
		return tokenName, quoted(text, '"')
	case strings.HasPrefix(text, "$$"):
		return tokenLiteral, closed(text, "$$")
	case strings.HasPrefix(text, "/*"):
		return tokenComment, closed(text, "*/")
	case strings.HasPrefix(text, "--"), strings.HasPrefix(text, "//"):
		if end := strings.IndexAny(text, "\r\n"); end >= 0 {
			return tokenComment, end
		}
		return tokenComment, len(text)
	case wordByte(text[0]):
		return tokenWord, word(text)
	default:
		return tokenSymbol, runeSize(text)
	}
}

// quoted gives the size of a quoted token in which the quote is doubled.
func quoted(text string, quote byte) int {
	for i := 1; i < len(text); i++ {
		if text[i] != quote {
			continue
		}
		if i+1 < len(text) && text[i+1] == quote {
			i++
			continue
		}
		return i + 1
	}
	return 0
}

// closed gives the size of a token between two-byte marks.
func closed(text, mark string) int {
	end := strings.Index(text[2:], mark)
	if end < 0 {
		return 0
	}
	return end + 4
}

// word gives the size of a run of word bytes. A point belongs to it when the
// run is a number, and a hyphen when it is a UUID.
func word(text string) int {
	if uuidAt(text) {
		return uuidSize
	}
	number := text[0] >= '0' && text[0] <= '9'
	n := 1
	for n < len(text) && (wordByte(text[n]) || number && text[n] == '.') {
		n++
	}
	return n
}

const uuidSize = 36

// uuidAt tells whether text begins with a UUID.
func uuidAt(text string) bool {
	if len(text) < uuidSize || len(text) > uuidSize && wordByte(text[uuidSize]) {
		return false
	}
	for i := range uuidSize {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if text[i] != '-' {
				return false
			}
		} else if strings.IndexByte("0123456789abcdefABCDEF", text[i]) < 0 {
			return false
		}
	}
	return true
}

func wordByte(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// runeSize gives the size of the first rune, 1 for invalid UTF-8.
func runeSize(text string) int {
	for i := range text {
		if i > 0 {
			return i
		}
	}
	return len(text)
}

// code scans text and leaves the comments out.
func code(text string) ([]token, error) {
	all, err := scan(text)
	if err != nil {
		return nil, err
	}
	out := all[:0]
	for _, t := range all {
		if t.kind != tokenComment {
			out = append(out, t)
		}
	}
	return out, nil
}

// canonicalOf joins tokens to a text in which only meaning is left.
func canonicalOf(tokens []token) string {
	words := make([]string, len(tokens))
	for i, t := range tokens {
		words[i] = t.canonical()
	}
	return strings.Join(words, " ")
}

// Split cuts a text into its CQL statements, each without the closing semicolon
// and without the white space and comments around it. Semicolons inside
// literals ('…' and $$…$$), quoted names and comments do not count. Parts that
// hold only comments are no statements. An unclosed literal, quoted name or
// comment is an error.
func Split(text string) ([]string, error) {
	tokens, err := code(text)
	if err != nil {
		return nil, err
	}
	var out []string
	first := 0
	for i := 0; i <= len(tokens); i++ {
		if i < len(tokens) && !tokens[i].is(";") {
			continue
		}
		if i > first {
			out = append(out, text[tokens[first].start:tokens[i-1].end])
		}
		first = i + 1
	}
	return out, nil
}
