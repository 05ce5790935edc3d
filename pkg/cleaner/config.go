package cleaner

import (
	"context"
	"errors"
	"regexp"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/startconfig"
)

var releaseVersion = regexp.MustCompile(`^\d+\.\d+(\.\d+)?(-\w+)?$`)

// compareConfig refuses a backup on which the node would not start, as far as its
// configuration is given. No file is looked for: that of a host may be another node's.
func (c *cleaner) compareConfig(context.Context) error {
	var config startconfig.Config
	if c.ConfigFile == "" {
		c.result.NotCompared = append(c.result.NotCompared, "num_tokens", "cluster_name", "storage_compatibility_mode", "auto_repair")
	} else {
		var err error
		if config, err = startconfig.Read(c.ConfigFile); err != nil {
			return refuse("read --config: %w", err)
		}
	}
	if c.Release == "" {
		c.result.NotCompared = append(c.result.NotCompared, "Cassandra version")
	}
	config.Release = c.Release
	config.AutoRepair = config.AutoRepair || c.AutoRepair
	return flow.Fail(flow.Precondition, errors.Join(config.Compare(c.backup.Node.Member.Name, c.result.Backup)...))
}
