package backup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// checkStorage refuses nodes whose files are not all on their volumes.
func (b *before) checkStorage(ctx context.Context) error {
	var err error
	if b.asked, err = b.AskNodes(ctx); err != nil {
		return err
	}
	if b.warnings, err = b.CheckStorage(ctx, b.asked, true); err != nil {
		return err
	}
	forgetful := map[string][]string{}
	for i, a := range b.asked {
		if a.Forgets() {
			forgetful[a.DiskFailurePolicy] = append(forgetful[a.DiskFailurePolicy], b.View.Names[i])
		}
	}
	for _, policy := range slices.Sorted(maps.Keys(forgetful)) {
		b.warnings = append(b.warnings, fmt.Sprintf("disk_failure_policy is %s on %s: Cassandra goes on after a flush that failed, and backups then lack rows that reads show; "+
			"set it to stop and restart the nodes", policy, strings.Join(forgetful[policy], ", ")))
	}
	return nil
}
