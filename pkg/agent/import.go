package agent

import (
	"context"
	"sync/atomic"

	"github.com/casshook/casshook/pkg/sstable"
)

// importer loads with nodetool import, which takes the files out of the staging
// directory; what stays there was not taken.
type importer struct {
	nodetool *nodetool
	count    atomic.Int32
}

func (m *importer) workers(int) int { return 2 }
func (m *importer) calls() int      { return int(m.count.Load()) }
func (m *importer) takesSAI() bool  { return false }

func (m *importer) adopt(ctx context.Context, keyspace, table string) error {
	m.count.Add(1)
	_, err := m.nodetool.runFor(ctx, adoptLimit, "refresh", "--", keyspace, table)
	return err
}

func (m *importer) load(ctx context.Context, job loadJob) (int, error) {
	var dirs []string
	staged := 0
	for _, dir := range job.staged {
		if dir == "" {
			continue
		}
		groups, err := readGroups(job.files, dir)
		if err != nil {
			return 0, err
		}
		staged += len(groups)
		dirs = append(dirs, dir)
	}
	if len(dirs) == 0 {
		return 0, nil
	}
	m.count.Add(1)
	if err := m.nodetool.importDir(ctx, job, dirs); err != nil {
		return 0, err
	}
	for _, dir := range dirs {
		groups, err := readGroups(job.files, dir)
		if err != nil {
			return 0, err
		}
		for _, components := range groups {
			if hasData(components) {
				staged--
			}
		}
	}
	return staged, nil
}

func hasData(components []string) bool {
	for _, c := range components {
		if c == sstable.Data {
			return true
		}
	}
	return false
}
