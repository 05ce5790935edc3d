package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// parseTable parses CREATE TABLE and the ALTER TABLE statements after it.
func parseTable(o *Object, text string) error {
	text, compact := uncomment(text)
	statements, err := Split(text)
	if err != nil {
		return err
	}
	if len(statements) == 0 {
		return errors.New("no statement")
	}
	r := &RelationParts{}
	o.Relation = r
	c, err := newCursor(statements[0])
	if err != nil {
		return err
	}
	if err := c.expect("create", "table"); err != nil {
		return err
	}
	if o.Ref.Keyspace, o.Ref.Name, err = c.qualified(); err != nil {
		return err
	}
	from := c.pos
	columns, err := c.group("(")
	if err != nil {
		return err
	}
	body := c.tokens[from:c.pos]
	if err := r.parseColumns(o, c.text, columns); err != nil {
		return err
	}
	r.body, r.bodyEmpty = c.raw(body), withEmptyType(c.text, body, o.types)
	if err := r.parseOptions(c); err != nil {
		return err
	}
	if compact != r.Compact {
		return fmt.Errorf("only a table with COMPACT STORAGE is in a comment: in a comment %t, compact %t", compact, r.Compact)
	}
	if err := r.parseDropped(o, statements[1:]); err != nil {
		return err
	}
	r.checkPlain()
	return nil
}

const emptyName = "it has a column with an empty name"

// uncomment gives the statements inside of the comment that stands around a
// compact table. The comment may hold another end mark in a literal, so that
// only the first and the last mark count
// (org.apache.cassandra.schema.TableMetadata.CompactTableMetadata.appendCqlTo).
func uncomment(text string) (inner string, commented bool) {
	trimmed := strings.TrimSpace(text)
	if !strings.HasPrefix(trimmed, "/*") || !strings.HasSuffix(trimmed, "*/") || len(trimmed) < 4 {
		return text, false
	}
	inner = trimmed[2 : len(trimmed)-2]
	if at := strings.Index(inner, "\nCREATE TABLE "); at >= 0 {
		return inner[at+1:], true
	}
	return text, false
}

// parseColumns parses what stands in the parentheses of CREATE TABLE.
func (r *RelationParts) parseColumns(o *Object, text string, tokens []token) error {
	seen := map[string]bool{}
	for _, part := range splitAt(tokens, ",") {
		c := &cursor{text: text, tokens: part}
		if c.accept("primary", "key") {
			if err := r.parsePrimaryKey(c); err != nil {
				return err
			}
			continue
		}
		if err := r.parseColumn(o, c); err != nil {
			return err
		}
		name := r.Columns[len(r.Columns)-1].Name
		if seen[name] {
			return fmt.Errorf("column %s is listed twice", Quote(name))
		}
		seen[name] = true
	}
	if len(r.PartitionKey) == 0 {
		return errors.New("no primary key")
	}
	return nil
}

func (r *RelationParts) parseColumn(o *Object, c *cursor) error {
	name, err := c.name()
	if err != nil {
		return err
	}
	column := Column{Name: name}
	kind := c.columnType()
	if len(kind) == 0 {
		return fmt.Errorf("column %s has no type", Quote(name))
	}
	column.Type = c.raw(kind)
	o.types = append(o.types, kind...)
	for !c.done() {
		switch {
		case c.accept("static"):
			column.Static = true
		case c.accept("primary", "key"):
			r.PartitionKey = []string{name}
		case c.accept("masked", "with"):
			if err := c.mask(o, &column); err != nil {
				return fmt.Errorf("column %s: %w", Quote(name), err)
			}
		default:
			return fmt.Errorf("column %s: unexpected text %s", Quote(name), c.where())
		}
	}
	r.Columns = append(r.Columns, column)
	return nil
}

// mask takes the call of a masking function, whose arguments may have parentheses.
func (c *cursor) mask(o *Object, column *Column) error {
	from := c.pos
	if _, err := c.name(); err != nil {
		return err
	}
	if c.accept(".") {
		if _, err := c.name(); err != nil {
			return err
		}
	}
	o.functions = append(o.functions, c.tokens[from:c.pos]...)
	if _, err := c.group("("); err != nil {
		return err
	}
	column.Mask = c.raw(c.tokens[from:c.pos])
	return nil
}

// columnType takes the tokens of a type.
func (c *cursor) columnType() []token {
	from, depth := c.pos, 0
	for ; !c.done(); c.pos++ {
		ends := c.at("static") || c.at("primary", "key") || c.at("masked", "with")
		if depth == 0 && c.pos > from && ends {
			break
		}
		depth += typeNesting(c.tokens[c.pos])
	}
	return c.tokens[from:c.pos]
}

// parsePrimaryKey parses what follows PRIMARY KEY.
func (r *RelationParts) parsePrimaryKey(c *cursor) error {
	tokens, err := c.group("(")
	if err != nil {
		return err
	}
	for i, part := range splitAt(tokens, ",") {
		names := names(part)
		switch {
		case len(names) == 0:
			return errors.New("primary key without columns")
		case i == 0:
			r.PartitionKey = names
		default:
			r.ClusteringKey = append(r.ClusteringKey, names...)
		}
	}
	return nil
}

// names gives the identifiers among the tokens.
func names(tokens []token) []string {
	var out []string
	for _, t := range tokens {
		if t.isName() {
			out = append(out, t.name())
		}
	}
	return out
}

// parseOptions parses the WITH clause of a table or a view.
func (r *RelationParts) parseOptions(c *cursor) error {
	if c.done() {
		return nil
	}
	if err := c.expect("with"); err != nil {
		return err
	}
	for _, part := range splitAt(c.rest(), "and") {
		p := &cursor{text: c.text, tokens: part}
		switch {
		case p.accept("compact", "storage"):
			r.Compact = true
		case p.accept("clustering", "order", "by"):
			r.ClusteringOrder = p.raw(p.rest())
		default:
			o, err := p.option()
			if err != nil {
				return err
			}
			if _, twice := option(r.Options, o.Name); twice {
				return fmt.Errorf("option %s is listed twice", o.Name)
			}
			if o.Name == "id" {
				r.ID = strings.ToLower(o.Value)
				continue
			}
			r.Options = append(r.Options, o)
		}
		if !p.done() {
			return fmt.Errorf("option: unexpected text %s", p.where())
		}
	}
	return nil
}

// option takes name = value, the value being all that is left.
func (c *cursor) option() (Option, error) {
	name, err := c.name()
	if err != nil {
		return Option{}, err
	}
	if err := c.expect("="); err != nil {
		return Option{}, err
	}
	value := c.rest()
	if len(value) == 0 {
		return Option{}, fmt.Errorf("option %s has no value", name)
	}
	return Option{Name: name, Value: c.raw(value)}, nil
}

// parseDropped checks the statements after CREATE TABLE: DROP … USING TIMESTAMP
// and ADD of this table, nothing else.
func (r *RelationParts) parseDropped(o *Object, statements []string) error {
	for _, text := range statements {
		c, err := newCursor(text)
		if err != nil {
			return err
		}
		if err := c.expect("alter", "table"); err != nil {
			return err
		}
		keyspace, table, err := c.qualified()
		if err != nil {
			return err
		}
		if keyspace != o.Ref.Keyspace || table != o.Ref.Name || !c.at("drop") && !c.at("add") {
			return fmt.Errorf("unexpected statement %.60q", text)
		}
		if c.accept("add") {
			added := c.rest()
			o.types, o.functions = append(o.types, added...), append(o.functions, added...) // its mask may have a function
		}
		r.Dropped = append(r.Dropped, text)
	}
	return nil
}

// checkPlain finds out whether CQL can create this table. Cassandra
// prints all compact tables as "omitted", also those that came from CQL
// (org.apache.cassandra.cql3.statements.schema.CreateTableStatement has the
// rules of compact tables).
func (r *RelationParts) checkPlain() {
	if !r.Compact {
		if slices.ContainsFunc(r.Columns, func(c Column) bool { return c.Name == "" }) { // a super column family after DROP COMPACT STORAGE
			r.NotPlain = emptyName
		}
		return
	}
	regular := 0
	for _, c := range r.Columns {
		key := slices.Contains(r.PartitionKey, c.Name) || slices.Contains(r.ClusteringKey, c.Name)
		if !key {
			regular++
		}
		if reason := r.notPlain(c, key); reason != "" {
			r.NotPlain = reason
			return
		}
	}
	switch {
	case !r.static() && regular > 1:
		r.NotPlain = "it has clustering columns and more than one regular column"
	case r.static() && regular == 0:
		r.NotPlain = "it has only key columns"
	}
}

// notPlain says why a compact table with this column is not plain.
func (r *RelationParts) notPlain(c Column, key bool) string {
	switch {
	case c.Name == "":
		return emptyName
	case c.Static && !r.static():
		return "it has a static column"
	case !key && multiCell(c.Type):
		return "column " + Quote(c.Name) + " is a non-frozen collection"
	}
	return ""
}

// multiCell tells whether the type is a collection that is not frozen.
func multiCell(kind string) bool {
	kind = strings.ToLower(kind)
	return strings.HasPrefix(kind, "map<") || strings.HasPrefix(kind, "set<") || strings.HasPrefix(kind, "list<")
}
