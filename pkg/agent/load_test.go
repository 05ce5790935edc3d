package agent

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/casshook/casshook/pkg/ledger"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/apitest"
	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/safefile"
	"github.com/casshook/casshook/pkg/sstable"
)

func stageArgs(names ...string) wire.StageArgs {
	args := wire.StageArgs{RestoreID: restoreNo, BackupID: testID}
	for _, name := range names {
		args.Tables = append(args.Tables, document.TableName{Keyspace: "ks", Name: name})
	}
	return args
}

func (v *volume) staged(dir int, name, id string) string {
	return filepath.Join(v.root, "casshook", "restore-"+restoreNo, "stage", []string{"data0", "data1"}[dir], "ks", name+"-"+id)
}

func loadArgs(tables ...ledger.Load) wire.LoadArgs {
	return wire.LoadArgs{RestoreID: restoreNo, BackupID: testID, Workers: 4, Wait: patience, Tables: tables}
}

// loadOf is a load of table a, whose own SSTables number n.
func loadOf(n int) ledger.Load {
	return ledger.Load{TableName: document.TableName{Keyspace: "ks", Name: "a"}, BackupID: tableOne, LiveID: tableOne, SSTables: n}
}

// indexed is a volume whose table a has components of all kinds of indexes, with
// a backup of it, and an agent that holds it.
func indexed(t *testing.T, nodetool []string) (*volume, *fakeAPI, *client) {
	t.Helper()
	v := newVolume(t, 2)
	live := v.table(0, "ks", "a", tableOne)
	v.sstable(live, "nb-1-big", "SI_by_name.db", "SAI+aa+i+Meta.db", "CompressionInfo.db")
	v.sstable(live, "da-3gp2_0a1x_4sv282a1uclk7bjbz4-bti")
	v.sstable(filepath.Join(live, ".a_idx"), "nb-1-big")
	v.sstable(v.table(1, "ks", "a", tableOne), "nb-1-big")
	v.table(0, "ks", "b", tableTwo)
	v.snapshot("ks", "a", tableOne, testID)
	v.snapshot("ks", "b", tableTwo, testID)
	f := newFakeAPI(t, v)
	n := v.node(f.URL)
	if nodetool != nil {
		n.API, n.Nodetool = "", nodetool
	}
	c := hold(t, n)
	backup(c, testID, bothTables()...)
	return v, f, c
}

func TestStageLinks(t *testing.T) {
	t.Parallel()
	_, nodetool := newNodetool(t)
	tests := []struct {
		name     string
		nodetool []string
		first    []string
	}{
		{"for a refresh", nil, []string{"CompressionInfo.db", "Data.db", "Digest.crc32", "Filter.db", "Index.db", "SAI+aa+i+Meta.db", "Statistics.db", "TOC.txt"}},
		{"for an import", nodetool, []string{"CompressionInfo.db", "Data.db", "Digest.crc32", "Filter.db", "Index.db", "Statistics.db", "TOC.txt"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, _, c := indexed(t, tt.nodetool)
			inodes, blocks := footprint(t, v.root)
			for range 2 { // again, as after a kill
				r, err := ask[wire.StageResult](c, wire.OpStage, stageArgs("a", "b"))
				require.NoError(t, err)
				require.Equal(t, len(tt.first)+12, r.Links)
				require.Equal(t, 2, c.events[1].Done)
				nowInodes, nowBlocks := footprint(t, v.root)
				const tocs = 3
				require.Equal(t, inodes+tocs, nowInodes, "a copy of TOC.txt for each SSTable, and nothing else")
				require.LessOrEqual(t, nowBlocks, blocks+tocs*8)
			}
			want := []string{}
			for _, name := range tt.first {
				want = append(want, "nb-1-big-"+name)
			}
			for _, name := range []string{"Data.db", "Digest.crc32", "Filter.db", "Index.db", "Statistics.db", "TOC.txt"} {
				want = append(want, "da-3gp2_0a1x_4sv282a1uclk7bjbz4-bti-"+name)
			}
			staged := v.staged(0, "a", tableOne)
			require.ElementsMatch(t, want, tree(t, staged))
			snapshot := document.SnapshotDir(v.data[0], "ks", "a", tableOne, testID)
			for _, name := range want {
				same := inodeAt(t, filepath.Join(staged, name)) == inodeAt(t, filepath.Join(snapshot, name))
				require.Equal(t, filepath.Base(name) != "nb-1-big-TOC.txt" && name != want[len(want)-1], same, name)
			}
			content, err := os.ReadFile(filepath.Join(staged, "nb-1-big-TOC.txt"))
			require.NoError(t, err)
			require.Equal(t, "t", string(content))
			require.Len(t, tree(t, v.staged(1, "a", tableOne)), 6)
			require.NoDirExists(t, v.staged(0, "b", tableTwo), "an empty table has nothing to stage")
		})
	}
}

func TestStageRefusals(t *testing.T) {
	t.Parallel()
	v, f, c := indexed(t, nil)
	_, err := ask[none](c, wire.OpStage, stageArgs("a", "c"))
	require.ErrorContains(t, err, "the backup of this node contains 1 of 2 tables")
	args := stageArgs("a")
	args.BackupID = otherID
	_, err = ask[none](c, wire.OpStage, args)
	requireKind(t, err, wire.KindCorrupt, "not complete")
	require.NoError(t, os.Remove(filepath.Join(document.SnapshotDir(v.data[1], "ks", "a", tableOne, testID), "nb-1-big-Index.db")))
	_, err = ask[none](c, wire.OpStage, stageArgs("a"))
	require.ErrorContains(t, err, "nb-1-big-Index.db: no such file")
	require.NoError(t, c.lock(wire.LockRelease, "me"))
	n := v.node(f.URL)
	n.DataDirs = n.DataDirs[:1]
	_, err = ask[none](hold(t, n), wire.OpStage, stageArgs("a"))
	require.ErrorContains(t, err, "the backup has 2 data directories, the node has 1")
	require.Equal(t, []string{"Index.db", "Data.db"}, componentNames(document.SSTable{Components: []document.Component{{Name: "Data.db"}, {Name: "SI_x.db"}, {Name: "Index.db"}}}, &refresher{}))
}

// TestStageOnTheMountOfTheData: files can be linked within one mount only. The test mounts, in a namespace of its own.
func TestStageOnTheMountOfTheData(t *testing.T) {
	t.Parallel()
	for name, layout := range map[string]struct {
		// mount makes where the data directory is; staged is where its files are staged, below that.
		mount  func(t testing.TB, volume, dir string) (data string)
		staged string
	}{
		"another file system": {func(t testing.TB, _, dir string) string {
			mount(t, "tmpfs", dir, "tmpfs", 0)
			return filepath.Join(dir, "data")
		}, "casshook"},
		"a mount point": {func(t testing.TB, _, dir string) string {
			mount(t, "tmpfs", dir, "tmpfs", 0)
			return dir
		}, ".casshook"},
		"the volume's file system, mounted again": {func(t testing.TB, volume, dir string) string {
			source := filepath.Join(volume, "really here")
			require.NoError(t, os.Mkdir(source, 0o755))
			mount(t, source, dir, "", syscall.MS_BIND)
			return dir
		}, ".casshook"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inMountNamespace(t, func(t *testing.T) {
				v := newVolume(t, 1)
				dir := t.TempDir()
				v.data[0] = layout.mount(t, v.root, dir)
				require.NoError(t, os.MkdirAll(v.data[0], 0o755))
				restoreStaged(t, v, filepath.Join(dir, layout.staged))
			})
		})
	}
}

func restoreStaged(t *testing.T, v *volume, base string) {
	live := v.table(0, "ks", "a", tableOne)
	v.sstable(live, "nb-1-big")
	v.snapshot("ks", "a", tableOne, testID)
	f := newFakeAPI(t, v)
	c := hold(t, v.node(f.URL))
	backup(c, testID, ref("ks", "a", tableOne))
	_, err := ask[wire.StageResult](c, wire.OpStage, stageArgs("a"))
	require.NoError(t, err)
	require.DirExists(t, filepath.Join(base, "restore-"+restoreNo, "stage", "data0", "ks", "a-"+tableOne))
	v.empty(live)
	_, err = ask[wire.LoadResult](c, wire.OpLoad, loadArgs(loadOf(1)))
	require.NoError(t, err)
	_, err = ask[wire.FinishResult](c, wire.OpFinish, wire.FinishArgs{RestoreID: restoreNo, BackupID: testID})
	require.NoError(t, err)
	require.NoDirExists(t, base)
}

func TestLoadThroughARefresh(t *testing.T) {
	t.Parallel()
	for name, liveID := range map[string]string{"kept id": tableOne, "new id": tableTwo} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, f, c := indexed(t, nil)
			_, err := ask[wire.StageResult](c, wire.OpStage, stageArgs("a", "b"))
			require.NoError(t, err)
			live := []string{v.table(0, "ks", "a", liveID), v.table(1, "ks", "a", liveID)}
			v.empty(live[0])
			v.empty(live[1])
			v.sstable(live[0], "nb-1-big") // written since
			job := loadOf(3)
			job.LiveID = liveID
			inodes, _ := footprint(t, v.root)
			r, err := ask[wire.LoadResult](c, wire.OpLoad, loadArgs(job))
			require.NoError(t, err)
			job.Taken, job.Found = 3, 3
			require.Equal(t, wire.LoadResult{Tables: []ledger.Load{job}, Calls: 1}, r)
			require.Equal(t, []string{"POST " + apitest.Refresh + "?keyspaceName=ks&table=a"}, f.Calls(apitest.Refresh))
			after, _ := footprint(t, v.root)
			require.Equal(t, inodes, after, "no bytes are copied")
			loaded, err := readGroups(safefile.New(v.root), live[0])
			require.NoError(t, err)
			require.Len(t, loaded, 3)
			for base := range loaded {
				_, placed := placedName(sstable.FileOf(base, sstable.Data))
				require.False(t, placed, base)
			}
		})
	}
}

func TestLoadThatIsNotTaken(t *testing.T) {
	t.Parallel()
	v, f, c := indexed(t, nil)
	f.Skip("a", true)
	_, err := ask[wire.StageResult](c, wire.OpStage, stageArgs("a"))
	require.NoError(t, err)
	_, err = ask[wire.LoadResult](c, wire.OpLoad, loadArgs(loadOf(3)))
	require.ErrorContains(t, err, "load ks.a: only 0 of 3 SSTables were loaded by Cassandra")

	// Less was staged than the backup has: a load must not be content with it.
	f.Skip("a", false)
	v.empty(v.table(0, "ks", "a", tableOne))
	v.empty(v.table(1, "ks", "a", tableOne))
	require.NoError(t, os.RemoveAll(v.staged(1, "a", tableOne)))
	_, err = ask[wire.LoadResult](c, wire.OpLoad, loadArgs(loadOf(3)))
	require.ErrorContains(t, err, "only 2 of 3 SSTables were loaded by Cassandra")
	require.NoError(t, os.RemoveAll(v.staged(0, "a", tableOne)))
	calls := len(f.Calls(apitest.Refresh))
	_, err = ask[wire.LoadResult](c, wire.OpLoad, loadArgs(loadOf(3)))
	require.ErrorContains(t, err, "only 0 of 3 SSTables were loaded by Cassandra")
	require.Len(t, f.Calls(apitest.Refresh), calls, "nothing staged, nothing asked")
}

func TestLoadErrors(t *testing.T) {
	t.Parallel()
	v, f, c := indexed(t, nil)
	live := v.table(0, "ks", "a", tableOne)
	v.empty(live)
	f.Answer(apitest.Refresh, apitest.Answer(500, "no such table"))
	_, err := ask[wire.StageResult](c, wire.OpStage, stageArgs("a"))
	require.NoError(t, err)
	_, err = ask[wire.LoadResult](c, wire.OpLoad, loadArgs(loadOf(3)))
	require.ErrorContains(t, err, "load ks.a: management API: POST "+apitest.Refresh+"?keyspaceName=ks&table=a: 500 no such table")

	v.empty(live)
	v.empty(v.table(1, "ks", "a", tableOne))
	// The first placed SSTable is the bti one; the second has a file that cannot be linked.
	require.NoError(t, os.Mkdir(filepath.Join(v.staged(0, "a", tableOne), "nb-1-big-Rows.db"), 0o700))
	_, err = ask[wire.LoadResult](c, wire.OpLoad, loadArgs(loadOf(3)))
	require.ErrorContains(t, err, "nb-1-big-Rows.db: is neither the regular file")
	names, err := filepath.Glob(filepath.Join(live, "*-*-*-*"))
	require.NoError(t, err)
	require.Empty(t, names, "nothing placed is left")
	require.Len(t, f.Calls(apitest.Refresh), 1)
}

func TestDataIsLinkedLast(t *testing.T) {
	t.Parallel()
	v, _, c := indexed(t, nil)
	_, err := ask[wire.StageResult](c, wire.OpStage, stageArgs("a"))
	require.NoError(t, err)
	live := []string{v.table(0, "ks", "a", tableOne), v.table(1, "ks", "a", tableOne)}
	n := &node{Volumes: storage.Volumes{Node: v.node("")}}
	job := loadJob{Load: loadOf(3), files: n.Files(), staged: []string{v.staged(0, "a", tableOne), ""}, live: live}
	placed, err := place(job)
	require.NoError(t, err)
	require.Len(t, placed, 2)
	for _, files := range placed {
		require.True(t, storage.IsData(files[len(files)-1]), files)
	}
	inodes, err := n.newestTimes(job.staged)
	require.NoError(t, err)
	require.Len(t, inodes, 2)
	found, err := n.countInodes(live, inodes)
	require.NoError(t, err)
	require.Equal(t, 4, found, "the live ones that the snapshot shares, and those that are placed")
	require.NoError(t, removeFiles(job.files, placed))
	job.live[0] = ""
	_, err = place(job)
	require.ErrorContains(t, err, "data directory 0 has no directory for the table")
}

func TestRefreshOfUnknownOutcomeIsAwaited(t *testing.T) {
	t.Parallel()
	v, f, c := indexed(t, nil)
	late := func(w http.ResponseWriter, r *http.Request) { // the first one's work, while it is not waited for
		go func() {
			time.Sleep(100 * time.Millisecond)
			_ = f.Load("ks", "a")
		}()
		apitest.Answer(500, timedOut)(w, r)
	}
	f.Answer(apitest.Refresh, late, apitest.Answer(500, timedOut), nil)
	_, err := ask[wire.StageResult](c, wire.OpStage, stageArgs("a"))
	require.NoError(t, err)
	r, err := ask[wire.LoadResult](c, wire.OpLoad, loadArgs(loadOf(3)))
	require.NoError(t, err)
	require.Equal(t, 3, r.Tables[0].Taken)
	require.Equal(t, 3, r.Calls)

	_, err = ask[wire.StageResult](c, wire.OpStage, stageArgs("a"))
	require.NoError(t, err)
	v.empty(v.table(0, "ks", "a", tableOne))
	v.empty(v.table(1, "ks", "a", tableOne))
	f.Answer(apitest.Refresh, apitest.Answer(500, timedOut))
	args := loadArgs(loadOf(3))
	args.Wait = 3 * pollEvery
	_, err = ask[wire.LoadResult](c, wire.OpLoad, args)
	require.ErrorContains(t, err, "waited 600ms for the refresh of ks.a: it goes on in Cassandra")
	f.Answer(apitest.Refresh, apitest.Answer(500, timedOut), apitest.Answer(500, "torn"))
	require.ErrorContains(t, (&refresher{api: newAPI(f.URL)}).adopt(t.Context(), "ks", "a"), "500 torn", "the second answer counts")
}

func TestLoadWaitsForAllLiveDirectories(t *testing.T) {
	t.Parallel()
	v, _, c := indexed(t, nil)
	_, err := ask[wire.StageResult](c, wire.OpStage, stageArgs("a"))
	require.NoError(t, err)
	job := loadOf(3)
	job.LiveID = tableTwo
	v.table(0, "ks", "a", tableTwo)
	id := c.send(wire.OpLoad, loadArgs(job))
	time.Sleep(2 * pollEvery)
	v.table(1, "ks", "a", tableTwo) // made a little later
	r, err := wait[wire.LoadResult](c, id)
	require.NoError(t, err)
	require.Equal(t, 3, r.Tables[0].Taken)
}

func TestLoadBesideIDsThatWereOurs(t *testing.T) {
	t.Parallel()
	v, _, c := indexed(t, nil)
	live := v.table(1, "ks", "a", tableOne)
	v.sstable(live, "nb-2000000001-big") // a node was started over what a killed load had placed
	log := fmt.Sprintf("REMOVE:[%s/nb-2000000009-big,1,8][1]\n", live)
	v.write(filepath.Join(live, "nb_txn_compaction_1.log"), log)
	_, err := ask[wire.StageResult](c, wire.OpStage, stageArgs("a"))
	require.NoError(t, err)
	n := &node{Volumes: storage.Volumes{Node: v.node("")}}
	job := loadJob{Load: loadOf(3), files: n.Files(), staged: []string{v.staged(0, "a", tableOne), v.staged(1, "a", tableOne)}, live: []string{v.table(0, "ks", "a", tableOne), live}}
	placed, err := place(job)
	require.NoError(t, err)
	require.Len(t, placed, 3)
	for i, files := range placed {
		name, ok := sstable.ParseName(filepath.Base(files[0]))
		require.True(t, ok)
		require.Equal(t, strconv.Itoa(2_000_100_009+i), name.ID)
	}
	require.NoError(t, removeFiles(job.files, placed))
	_, err = ask[wire.LoadResult](c, wire.OpLoad, loadArgs(loadOf(3)))
	require.NoError(t, err)
	v.sstable(live, "nb-2147400000-big")
	_, err = place(job)
	require.ErrorContains(t, err, "has id 2147400000: no higher ones are left, compact the table and run again")
}

// TestLoadWaitsForDeletions: what a TRUNCATE took out goes in the background, and a refresh fails on what is half gone.
func TestLoadWaitsForDeletions(t *testing.T) {
	t.Parallel()
	v, f, c := indexed(t, nil)
	_, err := ask[wire.StageResult](c, wire.OpStage, stageArgs("a"))
	require.NoError(t, err)
	live := v.table(1, "ks", "a", tableOne)
	v.empty(v.table(0, "ks", "a", tableOne))
	v.empty(live)
	half := filepath.Join(live, "nb-7-big-Index.db")
	v.write(half, "x")
	v.write(filepath.Join(live, "nb_txn_unknown_1.log"), fmt.Sprintf("REMOVE:[%s/nb-7-big,1,8][1]\nCOMMIT:[,0,0][1]\n", live))
	done := make(chan error, 1)
	go func() {
		_, err := ask[wire.LoadResult](c, wire.OpLoad, loadArgs(loadOf(3)))
		done <- err
	}()
	time.Sleep(3 * pollEvery)
	require.Empty(t, f.Calls(apitest.Refresh), "nothing is loaded beside it")
	require.NoError(t, os.Remove(half))
	require.NoError(t, <-done)
	require.Len(t, f.Calls(apitest.Refresh), 1)
}

func TestTimesOfFilesAreKept(t *testing.T) {
	t.Parallel()
	v, _, c := indexed(t, nil)
	old := time.Unix(1_700_000_000, 5)
	snapshot := document.SnapshotDir(v.data[0], "ks", "a", tableOne, testID)
	for _, file := range tree(t, snapshot) {
		require.NoError(t, os.Chtimes(filepath.Join(snapshot, file), old, old))
	}
	_, err := ask[wire.StageResult](c, wire.OpStage, stageArgs("a"))
	require.NoError(t, err)
	live := v.table(0, "ks", "a", tableOne)
	v.empty(live)
	_, err = ask[wire.LoadResult](c, wire.OpLoad, loadArgs(loadOf(3)))
	require.NoError(t, err)
	for _, dir := range []string{live, v.staged(0, "a", tableOne)} {
		count := 0
		require.NoError(t, (&node{Volumes: storage.Volumes{Node: v.node("")}}).eachFile([]string{dir}, func(path string, info os.FileInfo) {
			count++
			require.True(t, info.ModTime().Equal(old), path)
		}))
		require.Equal(t, 14, count)
	}
	// What earlier releases left is corrected by the next backup and the next restore.
	for _, do := range []func() error{
		func() error { _, err := ask[wire.LeftoverResult](c, wire.OpLeftovers, leftoverArgs()); return err },
		func() error { _, err := ask[none](c, wire.OpBegin, wire.BeginArgs{BackupID: otherID}); return err },
	} {
		found, err := filepath.Glob(filepath.Join(live, "nb-*-TOC.txt"))
		require.NoError(t, err)
		require.Len(t, found, 1)
		toc := found[0]
		require.NoError(t, os.Chtimes(toc, time.Now(), time.Now()))
		require.NoError(t, do())
		info, err := os.Stat(toc)
		require.NoError(t, err)
		require.True(t, info.ModTime().Equal(old))
	}
}

func TestLoadedIsRecordedWhenItIsOnDisk(t *testing.T) {
	t.Parallel()
	v, _, c := indexed(t, nil)
	journal := wire.JournalArgs{RestoreID: restoreNo, BackupID: testID, Scope: ledger.All(), Entry: ledger.Entry{Step: "loading", Stage: ledger.Loading}}
	_, err := ask[none](c, wire.OpJournal, journal)
	require.NoError(t, err)
	require.NoError(t, os.Rename(v.data[1], v.data[1]+".away")) // what cannot be synced
	args := wire.MarkLoadedArgs{RestoreID: restoreNo, BackupID: testID}
	_, err = ask[none](c, wire.OpMarkLoaded, args)
	require.ErrorContains(t, err, v.data[1])
	loaded := filepath.Join(v.root, "casshook", "restore-"+restoreNo, "loaded.json")
	require.NoFileExists(t, loaded)
	require.NoError(t, os.Rename(v.data[1]+".away", v.data[1]))
	_, err = ask[none](c, wire.OpMarkLoaded, args)
	require.NoError(t, err)
	require.FileExists(t, loaded)
}
