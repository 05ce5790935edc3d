package cleaner

import (
	"fmt"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/escape"
)

// Text is the result for people.
func Text(r *wire.CleanResult) string {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString(escape.Text(fmt.Sprintf(format, args...)) + "\n") }
	switch r.State {
	case wire.StateUnchanged:
		line("backup %s was already restored on this volume at %s: nothing was done", r.BackupID, r.Cleaned.Format(time.RFC3339))
	case wire.StatePlanned:
		line("backup %s is complete and can be restored; nothing was changed (dry run)", r.BackupID)
	default:
		line("backup %s restored in %.2f s; its snapshot is kept for after-restore", r.BackupID, r.Seconds)
	}
	line("node            %s, host id %s, volume %s, peers %s", r.Node, r.HostID, r.Volume, peersWord(r.PeersForgotten))
	line("tables          %d with %d files, %d bytes", r.Tables, r.Files, r.Bytes)
	line("this run        %d live files removed, %d linked (%d bytes), %d TOC.txt copied (%d bytes)", r.Removed, r.Linked, r.BytesLinked, r.Copied, r.BytesCopied)
	for _, e := range r.TablesEmptied {
		line("not in backup   %s: %d files", e.Path, e.Files)
	}
	for _, e := range r.DirectoriesEmptied {
		line("emptied         %s: %d files", e.Path, e.Files)
	}
	for _, path := range r.Foreign {
		line("foreign, kept   %s", path)
	}
	if len(r.NotCompared) > 0 {
		line("not compared    %s: use --config and --cassandra-version; a node that does not fit the backup does not start", strings.Join(r.NotCompared, ", "))
	}
	for _, id := range r.Supersedes {
		line("supersedes      restore %s, which did not finish", id)
	}
	return b.String()
}
