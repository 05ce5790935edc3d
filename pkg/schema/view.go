package schema

// parseView parses CREATE MATERIALIZED VIEW.
func parseView(o *Object, text string) error {
	c, err := single(text)
	if err != nil {
		return err
	}
	if err := c.expect("create", "materialized", "view"); err != nil {
		return err
	}
	if o.Ref.Keyspace, o.Ref.Name, err = c.qualified(); err != nil {
		return err
	}
	if err := c.expect("as"); err != nil {
		return err
	}
	from := c.pos
	if _, err := c.until("from"); err != nil {
		return err
	}
	c.pos++
	o.Base.Kind = KindTable
	if o.Base.Keyspace, o.Base.Name, err = c.qualified(); err != nil {
		return err
	}
	if _, err := c.until("primary", "key"); err != nil {
		return err
	}
	c.pos += 2
	o.Relation = &RelationParts{}
	if err := o.Relation.parsePrimaryKey(c); err != nil {
		return err
	}
	o.Relation.Query = c.raw(c.tokens[from:c.pos])
	o.Relation.body = "AS " + o.Relation.Query
	return o.Relation.parseOptions(c)
}
