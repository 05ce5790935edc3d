package schema

import (
	"fmt"
	"slices"
	"strings"
)

// ExpectedViewRows gives the query on the base table that counts the rows which
// a view must have. A view has at most one key column that is no key column of
// its base; a base row without it has no view row, and count(column) counts just
// the others. A partition without rows, which only static columns have, has none
// either, and no clustering column. IS NOT NULL, which only a view's WHERE may have, is left out; what
// else stands there is kept.
// Source: org.apache.cassandra.cql3.statements.schema.CreateViewStatement.
func ExpectedViewRows(view, base *Object) (string, error) {
	if view == nil || base == nil || view.Relation == nil || base.Relation == nil {
		return "", fmt.Errorf("count the rows of a view: the view or its base table is not in the schema")
	}
	filters, err := viewFilters(view.Relation.Query)
	if err != nil {
		return "", fmt.Errorf("count the rows of %s: %w", view.Ref, err)
	}
	baseKey := base.Relation.key()
	counted := "*"
	if clustering := base.Relation.ClusteringKey; len(clustering) > 0 {
		counted = Quote(clustering[0]) // a partition of which only static columns are set is a row, too
	}
	for _, c := range append(append([]string{}, view.Relation.PartitionKey...), view.Relation.ClusteringKey...) {
		if !baseKey[c] {
			counted = Quote(c)
		}
	}
	query := "SELECT count(" + counted + ") FROM " + base.Ref.String()
	if len(filters) > 0 {
		query += " WHERE " + strings.Join(filters, " AND ") + " ALLOW FILTERING"
	}
	return query, nil
}

// key holds the columns of the primary key.
func (r *RelationParts) key() map[string]bool {
	key := map[string]bool{}
	for _, c := range slices.Concat(r.PartitionKey, r.ClusteringKey) {
		key[c] = true
	}
	return key
}

// filtersOthers tells whether a view filters on a column outside the primary key of
// its table; a term that begins with no column name is one on the key.
func filtersOthers(view, base *Object) bool {
	filters, err := viewFilters(view.Relation.Query)
	if err != nil || base == nil || base.Relation == nil {
		return false
	}
	columns := map[string]bool{}
	for _, c := range base.Relation.Columns {
		columns[c.Name] = true
	}
	for _, filter := range filters {
		c, err := newCursor(filter)
		if err != nil || c.done() || !c.tokens[0].isName() {
			continue
		}
		if name := c.tokens[0].name(); columns[name] && !base.Relation.key()[name] {
			return true
		}
	}
	return false
}

// viewFilters gives the terms of a view's WHERE but for column IS NOT NULL.
func viewFilters(query string) ([]string, error) {
	c, err := newCursor(query)
	if err != nil {
		return nil, err
	}
	for !c.done() && !c.at("WHERE") {
		c.pos++
	}
	if err := c.expect("WHERE"); err != nil {
		return nil, err
	}
	var filters []string
	for !c.accept("PRIMARY", "KEY") {
		from := c.pos
		for !c.done() && !c.at("AND") && !c.at("PRIMARY", "KEY") {
			c.pos++
		}
		if c.done() {
			return nil, c.expect("PRIMARY", "KEY")
		}
		if term := c.tokens[from:c.pos]; !isNotNull(term) {
			filters = append(filters, c.raw(term))
		}
		c.accept("AND")
	}
	return filters, nil
}

// isNotNull tells whether a term is column IS NOT NULL.
func isNotNull(term []token) bool {
	n := len(term)
	return n >= 4 && term[n-3].is("IS") && term[n-2].is("NOT") && term[n-1].is("NULL")
}
