// Package zoo keeps one of every animal that a backup of Cassandra has to
// bring back: a schema with every kind of object, rows of every kind, roles
// and grants; a digest of all content as clients see it; and the damage after
// which a restore has to give the same digest again.
//
// The statements stand in the files of the directory cql. A test calls Create,
// Digest, takes its backup, calls Damage, restores, and calls Digest and
// Compare.
//
// Not in the zoo, since Cassandra refuses them without more configuration than
// a test ring has: triggers (a jar on every node), cdc (cdc_enabled), dynamic
// data masking (dynamic_data_masking_enabled).
package zoo

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

// Flavours of a node's configuration, see Features.
const (
	// FlavourDefault is a cassandra.yaml that sets no storage options.
	FlavourDefault = "default"
	// FlavourLatest is cassandra_latest.yaml of 5.0: BTI format, UUID ids of
	// SSTables, tries as memtables, unified compaction, SAI as default index.
	FlavourLatest = "latest"
)

// Scale says how many rows the generated tables get.
type Scale string

// Scales, and the rows of a table and the SSTables of zoo.many_sstables they
// mean.
const (
	// Small is 12 rows and 20 SSTables, for tests that look at mechanics.
	Small Scale = "small"
	// Normal is 60 rows and 220 SSTables, some 2,000 files in one directory.
	Normal Scale = "normal"
)

func (s Scale) rows() int {
	if s == Small {
		return 12
	}
	return 60
}

func (s Scale) flushes() int {
	if s == Small {
		return 20
	}
	return 220
}

// Version is the release line of Cassandra.
type Version struct{ Major, Minor int }

// ParseVersion reads the first two numbers of a release such as 5.0.9.
func ParseVersion(release string) (Version, error) {
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 2 {
		return Version{}, fmt.Errorf("version %q: want MAJOR.MINOR", release)
	}
	major, err := strconv.Atoi(parts[0])
	if err != nil {
		return Version{}, fmt.Errorf("version %q: %w", release, err)
	}
	minor, err := strconv.Atoi(parts[1])
	if err != nil {
		return Version{}, fmt.Errorf("version %q: %w", release, err)
	}
	return Version{Major: major, Minor: minor}, nil
}

// AtLeast reports whether v is major.minor or later.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

// RoleDamage is the feature of Damage to change roles themselves: to drop and
// create them, and to change passwords and memberships. Only a restore of whole
// nodes brings those back.
const RoleDamage = "role-damage"

// Options say what to build and where.
type Options struct {
	// Session is a superuser's session of Connect: one coordinator for all
	// DDL, no wait for agreement after each statement.
	Session *gocql.Session
	// Version of the nodes.
	Version Version
	// Flavour is FlavourDefault (also when empty) or FlavourLatest.
	Flavour string
	// Nodes bounds the replication factors: keyspaces of RF 1, 2 and 3 get
	// the smaller of that and Nodes.
	Nodes int
	// Scale is Normal when empty.
	Scale Scale
	// Flush writes one table's memtables to disk on all nodes. Names are as
	// in system_schema, without quotes. Without it nothing is flushed, and
	// Inventory.Skipped names what is therefore missing. It is called some 230
	// times (Small: 30): keep the connections to the nodes open, and flush the
	// nodes at the same time.
	Flush func(ctx context.Context, keyspace, table string) error
	// Agree waits until all nodes have one schema version. Without it the
	// session's node is asked what gossip told it, which takes a second or two.
	Agree func(ctx context.Context) error
	// Without names features that this ring has switched off, such as auth.
	Without []string
}

// Inventory is what Create made, and what it left out.
type Inventory struct {
	// Statements is the number of statements sent from files.
	Statements int
	// Rows is the number of generated rows.
	Rows int
	// Skipped names every feature that was left out, and why.
	Skipped []Skip
	// Steps are the parts of Create with the time each took.
	Steps []Step
}

// Step is one part of Create.
type Step struct {
	Name string
	Took time.Duration
}

// Skip is one left-out feature.
type Skip struct {
	// Feature is one of the names of Features.
	Feature string
	// Why it is left out.
	Why string
	// Items are the statements that were not sent, in words.
	Items []string
}

// feature is one thing that not every ring has.
type feature struct {
	name string
	has  func(Version, string) bool
	why  string
}

func features() []feature {
	always := func(Version, string) bool { return true }
	since := func(major, minor int) func(Version, string) bool {
		return func(v Version, _ string) bool { return v.AtLeast(major, minor) }
	}
	return []feature{
		{"auth", always, ""},
		{RoleDamage, always, ""},
		{"views", always, ""},
		{"udf", always, ""},
		{"compact", always, ""},
		{"sasi", always, ""}, // works with BTI too, seen with 5.0.9
		{"options-5.0", since(5, 0), "allow_auto_snapshot and incremental_backups are options of a table since 5.0"},
		{"index-quoted", func(_ Version, f string) bool { return f != FlavourLatest }, "SAI, there the default index, takes no column whose name needs quotes; the legacy kind is asked for by name"},
		{"index-using", since(5, 0), "CREATE INDEX USING names a kind since 5.0"},
		{"ucs", since(5, 0), "UnifiedCompactionStrategy is of 5.0"},
		{"sai", since(5, 0), "SAI is of 5.0"},
		{"vector", since(5, 0), "vector is of 5.0"},
		{"latest", func(v Version, f string) bool { return v.AtLeast(5, 0) && f == FlavourLatest }, "of that flavour only: memtable configurations, legacy index by name instead of by default"},
	}
}

// Features says which of the features named in the statement files a ring has
// (by default all it can have; without names those it has switched off), and
// why it has not the others. It is the one place that knows versions.
func Features(v Version, flavour string, without []string) (has []string, skipped []Skip) {
	for _, f := range features() {
		switch {
		case !f.has(v, flavour):
			skipped = append(skipped, Skip{Feature: f.name, Why: f.why})
		case slices.Contains(without, f.name):
			skipped = append(skipped, Skip{Feature: f.name, Why: "switched off on this ring"})
		default:
			has = append(has, f.name)
		}
	}
	return has, skipped
}
