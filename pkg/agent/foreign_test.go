package agent

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/apitest"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/sstable"
)

// knows has the API take snapshots of tables a and b that lack some SSTables.
func (v *volume) knows(f *fakeAPI, unknown ...string) {
	f.Answer(apitest.Snapshots, func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		require.NoError(v.t, err)
		var args snapshotRequest
		require.NoError(v.t, json.Unmarshal(body, &args))
		require.Equal(v.t, []string{"ks"}, args.Keyspaces)
		for table, id := range map[string]string{"a": tableOne, "b": tableTwo} {
			v.snapshot("ks", table, id, args.Name)
			for _, dataDir := range v.data {
				dir := document.SnapshotDir(dataDir, "ks", table, id, args.Name)
				if _, err := os.Stat(dir); err != nil {
					continue
				}
				for _, file := range tree(v.t, dir) {
					for _, base := range unknown {
						if strings.Contains(file, base) {
							require.NoError(v.t, os.Remove(filepath.Join(dir, file)))
						}
					}
				}
			}
		}
	})
}

func foreignArgs() wire.ForeignArgs {
	return wire.ForeignArgs{Tag: otherID, Wait: patience, Tables: []ledger.Load{loadOf(0),
		{TableName: document.TableName{Keyspace: "ks", Name: "b"}, BackupID: tableTwo, LiveID: tableTwo},
		{TableName: document.TableName{Keyspace: "ks", Name: "gone"}, BackupID: tableOne}}}
}

func TestForeignSSTables(t *testing.T) {
	t.Parallel()
	v, f, c := indexed(t, nil)
	a, b := v.table(0, "ks", "a", tableOne), v.table(1, "ks", "b", tableTwo)
	v.sstable(a, "nb-100-big")                         // copied there by hand
	v.sstable(filepath.Join(a, ".a_idx"), "nb-99-big") // into an index
	v.write(filepath.Join(b, "nb-98-big-Index.db"), "half of one")
	v.write(filepath.Join(b, "notes.txt"), "no SSTable")
	v.sstable(a, "nb-2000000001-big") // placed by a load that died
	v.sstable(a, "nb-97-big")         // being compacted
	v.write(filepath.Join(a, "nb_txn_compaction_1.log"), "ADD:["+a+"/nb-97-big,0,8][1]\n")
	unknown := []string{"nb-100-", "nb-99-", "nb-98-", "nb-2000000001-", "nb-97-"}
	v.knows(f, unknown...)
	before := tree(t, v.root)
	want := []string{filepath.Join(a, ".a_idx", "nb-99-big"), filepath.Join(a, "nb-100-big"), filepath.Join(b, "nb-98-big")}
	r, err := ask[wire.ForeignResult](c, wire.OpForeign, foreignArgs())
	require.NoError(t, err)
	require.Equal(t, wire.ForeignResult{SSTables: want}, r)
	require.Equal(t, before, tree(t, v.root), "nothing is moved, and nothing stays of the snapshot")

	args := foreignArgs()
	args.Move = true
	r, err = ask[wire.ForeignResult](c, wire.OpForeign, args)
	require.NoError(t, err)
	require.Equal(t, wire.ForeignResult{SSTables: want, MovedTo: "foreign-" + otherID}, r)
	moved := filepath.Join(v.root, "casshook", "foreign-"+otherID)
	require.Len(t, tree(t, filepath.Join(moved, "data0", "ks", sstable.TableDir("a", tableOne))), 6+1+6, "files and the directory of the index")
	require.FileExists(t, filepath.Join(moved, "data0", "ks", sstable.TableDir("a", tableOne), ".a_idx", "nb-99-big-Data.db"))
	require.FileExists(t, filepath.Join(moved, "data1", "ks", sstable.TableDir("b", tableTwo), "nb-98-big-Index.db"))
	require.FileExists(t, filepath.Join(b, "notes.txt"))
	r, err = ask[wire.ForeignResult](c, wire.OpForeign, args)
	require.NoError(t, err)
	require.Empty(t, r)
}

func TestForeignIsNotWhatARestoreLeft(t *testing.T) {
	t.Parallel()
	v, f, c := indexed(t, nil)
	a := v.table(0, "ks", "a", tableOne)
	torn := filepath.Join(a, "nb-50-big-Index.db") // a refresh renamed it and failed
	require.NoError(t, os.Link(filepath.Join(document.SnapshotDir(v.data[0], "ks", "a", tableOne, testID), "nb-1-big-Index.db"), torn))
	v.knows(f, "nb-50-")
	r, err := ask[wire.ForeignResult](c, wire.OpForeign, foreignArgs())
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(a, "nb-50-big")}, r.SSTables, "no restore stopped: somebody else linked it")
	args := foreignArgs()
	args.Leftovers = []string{testID}
	r, err = ask[wire.ForeignResult](c, wire.OpForeign, args)
	require.NoError(t, err)
	require.Empty(t, r.SSTables)

	f.Answer(apitest.Snapshots, apitest.Answer(500, "no"))
	_, err = ask[wire.ForeignResult](c, wire.OpForeign, foreignArgs())
	require.ErrorContains(t, err, "500 no")
	f.Answer(apitest.Snapshots, apitest.Answer(200, ""))
	_, err = ask[wire.ForeignResult](c, wire.OpForeign, foreignArgs())
	require.ErrorContains(t, err, "list the SSTables that Cassandra knows", "what it does not say is not foreign")
	args.Tag = "../x"
	_, err = ask[wire.ForeignResult](c, wire.OpForeign, args)
	require.ErrorContains(t, err, "is not a backup id")
}
