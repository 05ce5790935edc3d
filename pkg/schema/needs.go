package schema

import (
	"slices"
	"strings"
)

// Feature is something a Cassandra may lack or have switched off.
type Feature string

// The features that statements may need, with what grants them.
const (
	// FeatureViews is materialized_views_enabled (4.0 enable_materialized_views).
	FeatureViews Feature = "materialized views"
	// FeatureFunctions is user_defined_functions_enabled
	// (4.0 enable_user_defined_functions); aggregates need it for their functions.
	FeatureFunctions Feature = "user-defined functions"
	// FeatureSASI is sasi_indexes_enabled (4.0 enable_sasi_indexes).
	FeatureSASI Feature = "SASI indexes"
	// FeatureSAI is 5.0 with a storage_compatibility_mode that allows it.
	FeatureSAI Feature = "storage-attached indexes"
	// FeatureCustomIndex is a class on the nodes' class path; Detail names it.
	FeatureCustomIndex Feature = "custom index class"
	// FeatureVector is the vector type of 5.0.
	FeatureVector Feature = "vector type"
	// FeatureCompact is the guardrail compact_tables_enabled (4.1+), which does
	// not hold for superusers.
	FeatureCompact Feature = "compact tables"
	// FeatureMasking is dynamic_data_masking_enabled (5.0).
	FeatureMasking Feature = "dynamic data masking"
	// FeatureMemtable is an entry of memtable.configurations (4.1+); Detail names
	// it.
	FeatureMemtable Feature = "memtable configuration"
	// FeatureUCS is UnifiedCompactionStrategy (5.0).
	FeatureUCS Feature = "unified compaction"
	// FeatureAutoRepair is nodes started with -Dcassandra.autorepair.enable=true
	// (5.0.8 and later).
	FeatureAutoRepair Feature = "automatic repair"
	// FeatureTransient is transient_replication_enabled (4.0
	// enable_transient_replication).
	FeatureTransient Feature = "transient replication"
	// FeatureScripts is scripted_user_defined_functions_enabled (4.0
	// enable_scripted_user_defined_functions): functions in a language other than Java,
	// which 5.0 does not have.
	FeatureScripts Feature = "functions in JavaScript and other languages"
	// FeatureViewFilter is the property ViewFilterProperty: views that filter on columns
	// that are not in their key.
	FeatureViewFilter Feature = "views that filter on columns outside the primary key of their table"
	// FeatureCompaction and FeatureCompression are classes on the nodes' class path that
	// not every Cassandra has; Detail names them.
	FeatureCompaction  Feature = "compaction class"
	FeatureCompression Feature = "compression class"
	// FeatureTrigger is a class in the nodes' triggers directory; Detail names it.
	FeatureTrigger Feature = "trigger class"
)

// ViewFilterProperty is what a node must be started with to create views that filter on
// columns which are not in the primary key of their table
// (org.apache.cassandra.cql3.statements.schema.CreateViewStatement).
const ViewFilterProperty = "cassandra.mv.allow_filtering_nonkey_columns_unsafe"

// Need is a feature that creating or altering one object needs.
type Need struct {
	Feature Feature
	Ref     Ref
	// Detail names the class or configuration where there is one.
	Detail string
}

// Needs lists the features that the statements of this Diff need, so that the
// caller can compare them with the target before anything is dropped.
func (d *Diff) Needs() []Need {
	var out []Need
	for _, ch := range d.Changes {
		switch ch.Verdict {
		case Create, Recreate:
			out = append(out, ch.backup.Needs()...)
		case Alter:
			out = append(out, ch.backup.optionNeeds(ch.set)...)
		}
	}
	return out
}

// Unproven lists the needs of classes that no object of the live schema has: whether
// the target knows them, only the statement itself can tell.
func (d *Diff) Unproven(live *Schema) []Need {
	classes := []Feature{FeatureCompaction, FeatureCompression, FeatureCustomIndex, FeatureTrigger}
	proven := map[Need]bool{}
	for _, o := range live.Objects {
		for _, n := range o.Needs() {
			proven[Need{Feature: n.Feature, Detail: n.Detail}] = true
		}
	}
	return slices.DeleteFunc(d.Needs(), func(n Need) bool {
		return !slices.Contains(classes, n.Feature) || proven[Need{Feature: n.Feature, Detail: n.Detail}]
	})
}

// classOf is the class in an option whose value is a map, without the packages of
// Cassandra itself; empty where there is none.
func classOf(options []Option, name string) string {
	value, _ := option(options, name)
	entries, err := literalMap(value)
	if err != nil {
		return ""
	}
	class := entries["class"]
	for _, own := range []string{"org.apache.cassandra.db.compaction.", "org.apache.cassandra.io.compress."} {
		class = strings.TrimPrefix(class, own)
	}
	return class
}

// Needs lists the features that creating the object needs.
func (o *Object) Needs() []Need {
	need := func(f Feature, detail string) []Need { return []Need{{f, o.Ref, detail}} }
	switch o.Ref.Kind {
	case KindKeyspace:
		return o.optionNeeds(o.Keyspace.Options)
	case KindTable:
		return append(o.tableNeeds(), o.optionNeeds(o.Relation.Options)...)
	case KindView:
		out := append(need(FeatureViews, ""), o.optionNeeds(o.Relation.Options)...)
		if o.filters {
			out = append(out, need(FeatureViewFilter, "")...)
		}
		return out
	case KindType, KindFunction, KindAggregate:
		var out []Need
		if o.Ref.Kind != KindType {
			out = need(FeatureFunctions, "")
		}
		if o.language != "" && o.language != "java" {
			out = append(out, need(FeatureScripts, o.language)...)
		}
		if hasVector(o.canonical) {
			out = append(out, need(FeatureVector, "")...)
		}
		return out
	case KindTrigger:
		return need(FeatureTrigger, o.TriggerClass)
	case KindIndex:
		return o.indexNeeds()
	}
	return nil
}

// AutoRepair tells whether the nodes that described the schema were started with
// automatic repair; known is false where no table can tell.
func (s *Schema) AutoRepair() (on, known bool) {
	for _, o := range s.Objects {
		if o.Ref.Kind == KindTable {
			known = true
			if _, found := option(o.Relation.Options, autoRepair); found {
				return true, true
			}
		}
	}
	return false, known
}

// tableNeeds lists what the columns of a table need.
func (o *Object) tableNeeds() []Need {
	var vector, masked bool
	for _, c := range o.Relation.Columns {
		vector = vector || hasVector(canonical(c.Type))
		masked = masked || c.Mask != ""
	}
	var out []Need
	for _, n := range []struct {
		needed  bool
		feature Feature
	}{{o.Relation.Compact, FeatureCompact}, {vector, FeatureVector}, {masked, FeatureMasking}} {
		if n.needed {
			out = append(out, Need{n.feature, o.Ref, ""})
		}
	}
	return out
}

// hasVector looks for the vector type in canonical CQL.
func hasVector(canonical string) bool {
	return strings.HasPrefix(canonical, "vector <") || strings.Contains(canonical, " vector <")
}

func (o *Object) indexNeeds() []Need {
	class := o.Index.Class
	short := strings.ToLower(class[strings.LastIndex(class, ".")+1:])
	switch {
	case class == "" || short == LegacyIndex:
		return nil
	case short == "sasiindex":
		return []Need{{FeatureSASI, o.Ref, ""}}
	case short == "sai" || short == "storageattachedindex":
		return []Need{{FeatureSAI, o.Ref, ""}}
	}
	return []Need{{FeatureCustomIndex, o.Ref, class}}
}

// optionNeeds lists what the options of a keyspace, table or view need.
func (o *Object) optionNeeds(options []Option) []Need {
	var out []Need
	if value, found := option(options, "memtable"); found && canonical(value) != "'default'" {
		out = append(out, Need{FeatureMemtable, o.Ref, strings.Trim(value, "'")})
	}
	if value, _ := option(options, "compaction"); strings.Contains(value, "UnifiedCompactionStrategy") {
		out = append(out, Need{FeatureUCS, o.Ref, ""})
	}
	for _, of := range []struct {
		option  string
		feature Feature
		shipped []string
	}{
		{"compaction", FeatureCompaction, []string{"SizeTieredCompactionStrategy", "LeveledCompactionStrategy", "TimeWindowCompactionStrategy", "UnifiedCompactionStrategy"}},
		{"compression", FeatureCompression, []string{"LZ4Compressor", "SnappyCompressor", "DeflateCompressor", "ZstdCompressor", "NoopCompressor"}},
	} {
		if class := classOf(options, of.option); class != "" && !slices.Contains(of.shipped, class) {
			out = append(out, Need{of.feature, o.Ref, class})
		}
	}
	if _, found := option(options, autoRepair); found {
		out = append(out, Need{FeatureAutoRepair, o.Ref, ""})
	}
	if value, _ := option(options, "replication"); strings.Contains(value, "/") {
		out = append(out, Need{FeatureTransient, o.Ref, ""})
	}
	return out
}
