package agent

import (
	"context"
	"fmt"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/document"
)

// sum adds checksums to the files of a snapshot. Those of large files are remembered on the
// volume, so that the next backup does not read them again.
func (n *node) sum(ctx context.Context, c call, tables []document.Table, tag string) error {
	identity, err := n.Identity()
	if err != nil {
		return err
	}
	sums := document.OpenSums(n.Volume, identity)
	report := func(done int) { c.progress("checksums", done, len(tables)) }
	if err := sums.Add(ctx, tables, document.Place{DataDirs: n.DataDirs, Tag: tag}, report); err != nil {
		return fmt.Errorf("checksums: %w", err)
	}
	return sums.Save(n.Files(), n.Volume)
}

// undigested says of which SSTables Cassandra has no checksum.
func undigested(tables []document.Table) []string {
	var found []string
	for _, t := range tables {
		count := 0
		for _, s := range t.SSTables {
			if s.Digest == "" {
				count++
			}
		}
		if count > 0 {
			found = append(found, fmt.Sprintf("%s (%d)", t.TableName, count))
		}
	}
	if len(found) == 0 {
		return nil
	}
	return []string{"SSTables without Digest.crc32, of which casshook computed the checksum itself; bytes that changed before this backup cannot be found: " + storage.Brief(found)}
}
