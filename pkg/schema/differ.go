package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// difference is what two definitions of one object differ in.
type difference struct {
	// shape names what no ALTER statement can change without harm.
	shape []string
	// set are options that ALTER can set to the backup's value.
	set []Option
	// placement is true when the replication of a keyspace differs.
	placement bool
}

// differ compares two definitions of the same object.
func differ(backup, live *Object) difference {
	switch backup.Ref.Kind {
	case KindKeyspace:
		return differKeyspace(backup.Keyspace, live.Keyspace)
	case KindTable, KindView:
		return differRelation(backup, live)
	case KindTrigger:
		if backup.TriggerClass != live.TriggerClass {
			return difference{shape: []string{"class differs"}}
		}
	default:
		if backup.canonical != live.canonical {
			return difference{shape: []string{"definition differs"}}
		}
	}
	return difference{}
}

func differKeyspace(backup, live *KeyspaceParts) difference {
	var d difference
	if !maps.Equal(backup.Replication, live.Replication) {
		value, _ := option(backup.Options, "replication")
		d.set = append(d.set, Option{Name: "replication", Value: value})
		d.placement = true
	}
	if backup.DurableWrites != live.DurableWrites {
		d.set = append(d.set, Option{Name: "durable_writes", Value: fmt.Sprint(backup.DurableWrites)})
	}
	return d
}

func differRelation(backup, live *Object) difference {
	b, l := backup.Relation, live.Relation
	d := difference{shape: differColumns(b.Columns, l.Columns)}
	check := func(same bool, what string) {
		if !same {
			d.shape = append(d.shape, what)
		}
	}
	check(backup.Base == live.Base, "base table differs")
	check(canonical(b.Query) == canonical(l.Query), "query differs")
	check(slices.Equal(b.PartitionKey, l.PartitionKey) && slices.Equal(b.ClusteringKey, l.ClusteringKey), "primary key differs")
	check(canonical(b.ClusteringOrder) == canonical(l.ClusteringOrder), "clustering order differs")
	check(b.Compact == l.Compact, "compact storage differs")
	check(slices.Equal(droppedRecords(b.Dropped), droppedRecords(l.Dropped)), "dropped columns differ")
	d.differOptions(b.Options, l.Options)
	return d
}

// canonical is canonicalOf for text that was scanned before.
func canonical(text string) string {
	tokens, err := code(text)
	if err != nil {
		return text
	}
	return canonicalOf(tokens)
}

// differColumns compares columns by name. Their order means nothing outside of
// the primary key: Cassandra sorts them
// (org.apache.cassandra.schema.TableMetadata.allColumnsInCreateOrder).
func differColumns(backup, live []Column) []string {
	describe := func(columns []Column) map[string]string {
		out := map[string]string{}
		for _, c := range columns {
			text := canonical(c.Type)
			if c.Static {
				text += " static"
			}
			if c.Mask != "" {
				text += " masked with " + canonical(c.Mask)
			}
			out[c.Name] = text
		}
		return out
	}
	b, l := describe(backup), describe(live)
	var out []string
	for _, c := range backup {
		if now, found := l[c.Name]; !found {
			out = append(out, "column "+Quote(c.Name)+" is only in the backup")
		} else if now != b[c.Name] {
			out = append(out, fmt.Sprintf("column %s is %s in the backup, but %s now", Quote(c.Name), b[c.Name], now))
		}
	}
	for _, c := range live {
		if _, found := b[c.Name]; !found {
			out = append(out, "column "+Quote(c.Name)+" is not in the backup")
		}
	}
	return out
}

// droppedRecords gives the canonical ALTER statements ordered by column; those
// of one column keep their order. Between columns the order means nothing, and
// Cassandra prints it as its map happens to be; seen: another order after a
// restart. Timestamps count in milliseconds: that is what
// system_schema.dropped_columns keeps, and the microseconds that a node prints
// after DROP … USING TIMESTAMP are gone with its restart (seen on 4.0 to 5.0).
func droppedRecords(statements []string) []string {
	type record struct{ column, text string }
	records := make([]record, len(statements))
	for i, s := range statements {
		tokens, _ := code(s)
		for j := 1; j < len(tokens); j++ {
			if n := len(tokens[j].text) - 3; n > 0 && tokens[j-1].is("timestamp") {
				tokens[j].text = tokens[j].text[:n] + "000"
			}
		}
		records[i].text = canonicalOf(tokens)
		if len(tokens) > 6 { // ALTER TABLE ks . t DROP c
			records[i].column = tokens[6].name()
		}
	}
	slices.SortStableFunc(records, func(a, b record) int { return strings.Compare(a.column, b.column) })
	out := make([]string, len(records))
	for i, r := range records {
		out[i] = r.text
	}
	return out
}

// differOptions compares options in any order. One that only one side prints is
// an option that the other side's version does not know: it then counts as the
// default, where that is known.
func (d *difference) differOptions(backup, live []Option) {
	for _, o := range backup {
		now, found := option(live, o.Name)
		if !found {
			now, _ = optionDefault(o.Name)
		}
		if o.Name != "extensions" && canonicalValue(o.Value) != canonicalValue(now) {
			d.set = append(d.set, o)
		}
	}
	for _, o := range live {
		if _, found := option(backup, o.Name); found || o.Name == "extensions" || o.Name == autoRepair {
			continue
		}
		value, known := optionDefault(o.Name)
		switch {
		case !known:
			d.shape = append(d.shape, "option "+o.Name+" is not in the backup")
		case canonicalValue(value) != canonicalValue(o.Value):
			d.set = append(d.set, Option{Name: o.Name, Value: value})
		}
	}
}

// autoRepair is the option that nodes print for every table once they are started
// with -Dcassandra.autorepair.enable=true (5.0.8 and later), and no others. A backup
// without it says nothing about it.
const autoRepair = "auto_repair"

// optionDefault gives the default of the options that not all versions print
// (org.apache.cassandra.schema.TableParams.Option of 4.0 to 5.0).
func optionDefault(name string) (value string, known bool) {
	switch name {
	case "memtable":
		return "'default'", true
	case "allow_auto_snapshot", "incremental_backups":
		return "true", true
	case "cdc":
		return "false", true
	case "additional_write_policy":
		return "'99p'", true
	case "read_repair":
		return "'BLOCKING'", true
	case "default_time_to_live":
		return "0", true
	}
	return "", false
}

// canonicalValue is the canonical text of an option's value, the entries of a
// map in order.
func canonicalValue(value string) string {
	c, err := newCursor(value)
	if err != nil || !c.at("{") {
		return canonical(value)
	}
	tokens, err := c.group("{")
	if err != nil || !c.done() {
		return canonical(value)
	}
	var entries []string
	for _, entry := range splitAt(tokens, ",") {
		entries = append(entries, canonicalOf(entry))
	}
	slices.Sort(entries)
	return "{" + strings.Join(entries, ", ") + "}"
}
