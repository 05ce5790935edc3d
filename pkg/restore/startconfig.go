package restore

import (
	"strings"

	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/sstable"
)

// autoRepairProperty switches automatic repair on (5.0.8 and later).
const autoRepairProperty = "-Dcassandra.autorepair.enable=true"

// compareConfig refuses before anything is removed what would keep a node from
// starting on its cleaned volume: an older release, another number of tokens,
// SSTables that it cannot read, columns of automatic repair that it does not know.
func (c *cleaner) compareConfig(bad func(string, ...any)) {
	for i, r := range c.found {
		n, b := c.nodes[i], r.Backup
		config := n.Config
		major, minor := ring.MajorMinor(config.Release)
		if wasMajor, wasMinor := ring.MajorMinor(b.Member.Release); config.Release != "" && (wasMajor > major || wasMajor == major && wasMinor > minor) {
			bad("the backup is of Cassandra %s, but node %s is to start with %s, which is older", b.Member.Release, n.Name, config.Release)
		}
		if tokens := len(b.Member.Tokens); config.NumTokens > 0 && tokens > 0 && tokens != config.NumTokens {
			bad("node %s is configured with num_tokens %d, but has %d tokens in the backup and would not start: set num_tokens to %d", n.Name, config.NumTokens, tokens, tokens)
		}
		if b.AutoRepair && config.Known && !config.AutoRepair {
			bad("the nodes of the backup ran with automatic repair, and node %s is to start without: add %s to its JVM options", n.Name, autoRepairProperty)
		}
		c.compareFormats(n, b.Formats, bad)
	}
}

func (c *cleaner) compareFormats(n ring.StoppedNode, formats []string, bad func(string, ...any)) {
	if n.Config.Release == "" || n.Config.Compatibility == "" {
		return
	}
	major, minor := ring.MajorMinor(n.Config.Release)
	reader := sstable.Reader{Major: major, Minor: minor, Compatibility: n.Config.Compatibility}
	for _, format := range formats {
		version, kind, _ := strings.Cut(format, " ")
		if err := reader.Readable(version, kind); err != nil {
			bad("node %s, with storage_compatibility_mode %s: %w", n.Name, n.Config.Compatibility, err)
		}
	}
}
