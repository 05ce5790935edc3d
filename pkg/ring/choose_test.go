package ring

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
)

// TestChooseBackup: where there is none the volumes are the wrong ones; one that is
// incomplete is corrupt.
func TestChooseBackup(t *testing.T) {
	t.Parallel()
	const id, other = "casshook-20261121T101530Z-ffff", "casshook-20261122T101530Z-0000"
	volumes := func(complete bool) []ledger.Volume {
		return []ledger.Volume{{Node: "n1", Backups: []ledger.Backup{{ID: id, Complete: true}}}, {Node: "n2", Backups: []ledger.Backup{{ID: id, Complete: complete}}}}
	}
	got, err := ChooseBackup(volumes(true), "")
	require.NoError(t, err)
	require.Equal(t, id, got)
	for _, c := range []struct {
		volumes []ledger.Volume
		wanted  string
		code    flow.Code
	}{{nil, "", flow.Precondition}, {volumes(true), other, flow.Precondition}, {volumes(false), "", flow.Corrupt}, {volumes(false), id, flow.Corrupt}} {
		got, err := ChooseBackup(c.volumes, c.wanted)
		require.Equal(t, c.code, flow.CodeOf(err), err)
		require.Empty(t, got)
	}
}
