// Package startconfig compares how a node is configured to start with what a backup
// says of it: what keeps Cassandra from starting on a volume is refused before the
// volume is changed.
package startconfig

import (
	"fmt"
	"strings"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/sstable"
)

// AutoRepairProperty switches automatic repair on (Cassandra 5.0.8 and later).
const AutoRepairProperty = "-Dcassandra.autorepair.enable=true"

// autoRepairSince is the first release of 5.0 with automatic repair.
const autoRepairSince = 8

// Config is what of a node's configuration keeps it from starting on volumes that do
// not fit. Zero values are unknown.
type Config struct {
	// Release of Cassandra, such as 5.0.9.
	Release string
	// NumTokens is num_tokens.
	NumTokens int
	// ClusterName is cluster_name.
	ClusterName string
	// Compatibility is storage_compatibility_mode.
	Compatibility string
	// AutoRepair says that the node is started with automatic repair; Known that
	// the options of its JVM are known.
	AutoRepair, Known bool
}

// Compare lists what would keep the node from starting on the volume of a backup: an
// older release, another number of tokens, another cluster name, SSTables that it
// cannot read, columns of automatic repair that it does not know.
func (c Config) Compare(node string, b *wire.CleanBackup) []error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if c.older(b.Member.Release) {
		bad("the backup is of Cassandra %s, but node %s is to start with %s, which is older", b.Member.Release, node, c.Release)
	}
	if tokens := len(b.Member.Tokens); c.NumTokens > 0 && tokens > 0 && tokens != c.NumTokens {
		bad("node %s is configured with num_tokens %d, but has %d tokens in the backup and would not start: set num_tokens to %d", node, c.NumTokens, tokens, tokens)
	}
	if c.ClusterName != "" && b.ClusterName != "" && c.ClusterName != b.ClusterName {
		bad("node %s is configured with cluster_name %q, but the backup is of cluster %q and the node would not start: set cluster_name to %q", node, c.ClusterName, b.ClusterName, b.ClusterName)
	}
	if b.AutoRepair {
		problems = append(problems, c.autoRepair(node)...)
	}
	return append(problems, c.formats(node, b.Formats)...)
}

func (c Config) older(than string) bool {
	major, minor, _ := numbers(c.Release)
	wasMajor, wasMinor, _ := numbers(than)
	return c.Release != "" && (wasMajor > major || wasMajor == major && wasMinor > minor)
}

func (c Config) autoRepair(node string) []error {
	major, minor, patch := numbers(c.Release)
	switch {
	case c.Release != "" && (major < 5 || major == 5 && minor == 0 && patch < autoRepairSince):
		return []error{fmt.Errorf("the nodes of the backup ran with automatic repair, and node %s is to start with Cassandra %s, which does not have it: "+
			"use Cassandra 5.0.%d or later", node, c.Release, autoRepairSince)}
	case c.Known && !c.AutoRepair:
		return []error{fmt.Errorf("the nodes of the backup ran with automatic repair, and node %s is to start without: add %s to its JVM options", node, AutoRepairProperty)}
	}
	return nil
}

// formats lists the SSTables that the node cannot read. With a known compatibility and
// no release, those that no release reads.
func (c Config) formats(node string, formats []string) []error {
	if c.Compatibility == "" {
		return nil
	}
	reader := sstable.Reader{Major: 5, Compatibility: c.Compatibility}
	if c.Release != "" {
		reader.Major, reader.Minor, _ = numbers(c.Release)
	}
	var problems []error
	for _, format := range formats {
		version, kind, _ := strings.Cut(format, " ")
		if err := reader.Readable(version, kind); err != nil {
			problems = append(problems, fmt.Errorf("node %s, with storage_compatibility_mode %s: %w", node, c.Compatibility, err))
		}
	}
	return problems
}

// numbers are the first three of a release version.
func numbers(release string) (major, minor, patch int) {
	_, _ = fmt.Sscanf(release, "%d.%d.%d", &major, &minor, &patch)
	return major, minor, patch
}
