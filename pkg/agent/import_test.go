package agent

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
)

func TestLoadThroughAnImport(t *testing.T) {
	t.Parallel()
	d, nodetool := newNodetool(t)
	v, _, c := indexed(t, nodetool)
	_, err := ask[wire.StageResult](c, wire.OpStage, stageArgs("a"))
	require.NoError(t, err)
	v.table(0, "ks", "a", tableTwo)
	v.table(1, "ks", "a", tableTwo)
	job := loadOf(3)
	job.LiveID = tableTwo
	r, err := ask[wire.LoadResult](c, wire.OpLoad, loadArgs(job))
	require.NoError(t, err)
	require.Equal(t, 3, r.Tables[0].Taken)
	require.Equal(t, []string{"import", "--no-verify", "--no-tokens", "--keep-repaired", "--", "ks", "a",
		v.staged(0, "a", tableTwo), v.staged(1, "a", tableTwo)}, d.log()[0], "the live id stands in the path")

	d.put("leave", "")
	_, err = ask[wire.StageResult](c, wire.OpStage, stageArgs("a"))
	require.NoError(t, err)
	_, err = ask[wire.LoadResult](c, wire.OpLoad, loadArgs(loadOf(3)))
	require.ErrorContains(t, err, "only 1 of 3 SSTables were loaded by Cassandra", "exit code 0 proves nothing")
	d.put("import.err", "error: Some directories failed to import\n")
	_, err = ask[wire.LoadResult](c, wire.OpLoad, loadArgs(loadOf(3)))
	require.ErrorContains(t, err, "Some directories failed to import")
}
