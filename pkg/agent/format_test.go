package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
)

// A backup of a newer release is whole: who is told that it is damaged removes it.
func TestDocumentsOfANewerReleaseAreNotCorrupt(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	v.sstable(v.table(0, "ks", "t", tableOne), "nb-1-big")
	v.snapshot("ks", "t", tableOne, testID)
	c := hold(t, v.node(""))
	backup(c, testID, ref("ks", "t", tableOne))
	path := filepath.Join(document.BackupDir(v.root, testID), document.NodeFile)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	for op, args := range map[string]any{
		wire.OpOpen:   wire.OpenArgs{BackupID: testID},
		wire.OpVerify: wire.VerifyArgs{BackupID: testID},
		wire.OpStage:  wire.StageArgs{RestoreID: restoreNo, BackupID: testID},
	} {
		v.write(path, strings.Replace(string(content), `"version": 1,
 "minor": 2,`, `"version": 2,`, 1))
		_, err = ask[none](c, op, args)
		requireKind(t, err, wire.KindRefused, "node.json: written by a newer casshook (format 2.0): needs casshook with format 2.0 or newer")
		v.write(path, string(content)+"\n")
		_, err = ask[none](c, op, args)
		requireKind(t, err, wire.KindCorrupt, "does not match COMPLETE")
	}
}
