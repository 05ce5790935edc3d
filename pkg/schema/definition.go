package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// single gives a cursor over the one statement that the text must hold.
func single(text string) (*cursor, error) {
	statements, err := Split(text)
	if err != nil {
		return nil, err
	}
	if len(statements) != 1 {
		return nil, fmt.Errorf("%d statements instead of one", len(statements))
	}
	return newCursor(statements[0])
}

// parseKeyspace parses CREATE KEYSPACE.
func parseKeyspace(o *Object, text string) error {
	c, err := single(text)
	if err != nil {
		return err
	}
	if err := c.expect("create", "keyspace"); err != nil {
		return err
	}
	if o.Ref.Keyspace, err = c.name(); err != nil {
		return err
	}
	if err := c.expect("with"); err != nil {
		return err
	}
	parts := &KeyspaceParts{DurableWrites: true}
	for _, tokens := range splitAt(c.rest(), "and") {
		p := &cursor{text: c.text, tokens: tokens}
		option, err := p.option()
		if err != nil {
			return err
		}
		parts.Options = append(parts.Options, option)
		switch option.Name {
		case "durable_writes":
			parts.DurableWrites = !strings.EqualFold(option.Value, "false")
		case "replication":
			if parts.Replication, err = literalMap(option.Value); err != nil {
				return err
			}
		}
	}
	class := strings.TrimPrefix(parts.Replication["class"], "org.apache.cassandra.locator.")
	if class == "" {
		return errors.New("no replication class")
	}
	parts.Replication["class"] = class
	o.Keyspace = parts
	return nil
}

// literalMap parses a map of literals: {'a': 'b', 'c': 1}.
func literalMap(text string) (map[string]string, error) {
	c, err := newCursor(text)
	if err != nil {
		return nil, err
	}
	tokens, err := c.group("{")
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, entry := range splitAt(tokens, ",") {
		if len(entry) < 3 || entry[0].kind != tokenLiteral || !entry[1].is(":") {
			return nil, fmt.Errorf("map entry %.40q", raw(text, entry))
		}
		value := raw(text, entry[2:])
		if entry[2].kind == tokenLiteral {
			value = entry[2].value()
		}
		out[entry[0].value()] = value
	}
	return out, nil
}

// parseType parses CREATE TYPE.
func parseType(o *Object, text string) error {
	c, err := single(text)
	if err != nil {
		return err
	}
	if err := c.expect("create", "type"); err != nil {
		return err
	}
	if o.Ref.Keyspace, o.Ref.Name, err = c.qualified(); err != nil {
		return err
	}
	fields, err := c.group("(")
	if err != nil {
		return err
	}
	for _, field := range splitAt(fields, ",") {
		if len(field) < 2 {
			return fmt.Errorf("field %q has no type", c.raw(field))
		}
		o.fields++
		o.types = append(o.types, field[1:]...)
	}
	if err := o.keep(c); err != nil {
		return err
	}
	o.plainEmpty = withEmptyType(c.text, c.tokens, o.types)
	return nil
}

// keep records the whole statement as what is executed and compared.
func (o *Object) keep(c *cursor) error {
	if !c.done() {
		return fmt.Errorf("unexpected text after the statement %s", c.where())
	}
	o.plain, o.canonical = c.raw(c.tokens), canonicalOf(c.tokens)
	return nil
}

// parseFunction parses CREATE FUNCTION. Cassandra prints every body between $$
// and $$, also one that holds $$ itself because it was created with quotes
// (org.apache.cassandra.cql3.functions.UDFunction.toCqlString): the body goes to
// the last $$, and is written with quotes where it must be.
func parseFunction(o *Object, text string) error {
	header, body, err := cutBody(text)
	if err != nil {
		return err
	}
	c, err := newCursor(header)
	if err != nil {
		return err
	}
	if err := c.expect("create", "function"); err != nil {
		return err
	}
	if o.Ref.Keyspace, o.Ref.Name, err = c.qualified(); err != nil {
		return err
	}
	args, err := c.group("(")
	if err != nil {
		return err
	}
	var kinds []string
	for _, arg := range splitAt(args, ",") {
		if len(arg) < 2 {
			return fmt.Errorf("argument %q has no type", c.raw(arg))
		}
		kinds = append(kinds, typeText(arg[1:]))
		o.types = append(o.types, arg[1:]...)
	}
	o.Ref.Args = strings.Join(kinds, ", ")
	rest := c.rest()
	o.types, o.language = append(o.types, rest...), languageOf(rest)
	quoted := "$$" + body + "$$"
	if strings.Contains(body+"$", "$$") {
		quoted = literal(body)
	}
	o.plain = strings.TrimSpace(header) + " " + quoted
	o.canonical = canonicalOf(c.tokens) + " " + literal(body)
	return nil
}

// languageOf finds the language between the types of a function and its body.
func languageOf(tokens []token) string {
	for i, t := range tokens[:max(0, len(tokens)-1)] {
		if t.is("language") {
			return strings.ToLower(tokens[i+1].name())
		}
	}
	return ""
}

// cutBody cuts a function's statement after its AS.
func cutBody(text string) (header, body string, err error) {
	afterAs, depth := false, 0
	for pos := 0; pos < len(text); {
		if strings.IndexByte(" \t\r\n\f", text[pos]) >= 0 {
			pos++
			continue
		}
		kind, size := next(text[pos:])
		end := strings.LastIndex(text, "$$")
		if afterAs && strings.HasPrefix(text[pos:], "$$") && end > pos+1 {
			if rest := strings.TrimSpace(text[end+2:]); rest != "" && rest != ";" {
				return "", "", fmt.Errorf("after the body comes %.40q", rest)
			}
			return text[:pos], text[pos+2 : end], nil
		}
		if size == 0 {
			break
		}
		t := token{kind: kind, text: text[pos : pos+size]}
		if afterAs && kind == tokenLiteral {
			return text[:pos], t.value(), nil
		}
		depth += nesting(t)
		afterAs = depth == 0 && t.is("as") // an argument may have that name
		pos += size
	}
	return "", "", errors.New("no function body")
}

// parseAggregate parses CREATE AGGREGATE.
func parseAggregate(o *Object, text string) error {
	c, err := single(quoteInitial(text))
	if err != nil {
		return err
	}
	if err := c.expect("create", "aggregate"); err != nil {
		return err
	}
	if o.Ref.Keyspace, o.Ref.Name, err = c.qualified(); err != nil {
		return err
	}
	args, err := c.group("(")
	if err != nil {
		return err
	}
	o.Ref.Args = typeText(args)
	rest := c.rest()
	o.types = slices.Concat(args, rest)
	o.functions = rest
	return o.keep(c)
}

// parseIndex parses CREATE INDEX and CREATE CUSTOM INDEX.
func parseIndex(o *Object, text string) error {
	c, err := single(text)
	if err != nil {
		return err
	}
	o.Index = &IndexParts{}
	if err := c.expect("create"); err != nil {
		return err
	}
	o.Index.Custom = c.accept("custom")
	if err := c.expect("index"); err != nil {
		return err
	}
	if o.Ref.Name, err = c.name(); err != nil {
		return err
	}
	if err := c.expect("on"); err != nil {
		return err
	}
	o.Base.Kind = KindTable
	if o.Base.Keyspace, o.Base.Name, err = c.qualified(); err != nil {
		return err
	}
	o.Ref.Keyspace = o.Base.Keyspace
	target, err := c.group("(")
	if err != nil {
		return err
	}
	o.Index.Target = c.raw(target)
	return o.parseUsing(c)
}

// parseUsing parses USING 'class' WITH OPTIONS = {…}.
func (o *Object) parseUsing(c *cursor) error {
	if c.accept("using") {
		if c.done() || c.tokens[c.pos].kind != tokenLiteral {
			return fmt.Errorf("expected a class %s", c.where())
		}
		o.Index.Class = c.tokens[c.pos].value()
		c.pos++
	}
	if c.accept("with", "options", "=") {
		from := c.pos
		if _, err := c.group("{"); err != nil {
			return err
		}
		options, err := literalMap(c.raw(c.tokens[from:c.pos]))
		if err != nil {
			return err
		}
		o.Index.Options = options
	}
	return o.keep(c)
}
