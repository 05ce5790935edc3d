package cleaner

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/sstable"
)

// restoredVolume is what the storage calls the volumes that are cleaned, originalVolume
// those that the backup was made on.
const restoredVolume, originalVolume = "pvc-2", "pvc-1"

// scratch is a directory for many runs: in memory where there is some, since an
// fsync is all that a small file costs.
func scratch(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "casshook-clean")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// wreck is a made-up volume of a node with a backup, and what happened since.
type wreck struct {
	*volume
	rng  *rand.Rand
	refs []document.TableRef
}

func allTables() []string {
	return []string{"system.local", "system.peers", "system.peers_v2", "system_schema.tables", "ks.a", "ks.b", "ks.empty", "ks.view"}
}

func id32(n int) string { return fmt.Sprintf("%032x", n+1) }

// newWreck makes the volume below root, in root/volume; what links lead to is in
// root/outside.
func newWreck(t *testing.T, root string, seed uint64, tables ...string) *wreck {
	t.Helper()
	return newWreckOf(t, root, originalVolume, seed, tables...)
}

// newWreckOf is newWreck where the storage knows the volume by an identity.
func newWreckOf(t *testing.T, root, identity string, seed uint64, tables ...string) *wreck {
	t.Helper()
	w := &wreck{volume: &volume{t: t, root: filepath.Join(root, "volume"), identity: identity}, rng: rand.New(rand.NewPCG(seed, 1))}
	for _, name := range []string{"data0", "data1"} {
		w.data = append(w.data, filepath.Join(w.root, name))
		require.NoError(t, os.MkdirAll(filepath.Join(w.root, name), 0o755))
	}
	w.write(filepath.Join(root, "outside", "nb-7-big-Data.db"), "not ours")
	for i, name := range allTables() {
		if len(tables) > 0 && !slices.Contains(tables, name) {
			continue
		}
		ks, table, _ := strings.Cut(name, ".")
		w.fill(ks, table, id32(i), name != "ks.empty")
		w.refs = append(w.refs, ref(ks, table, id32(i)))
		w.snapshot(ks, table, id32(i), testID)
		w.snapshot(ks, table, id32(i), "nightly") // somebody else's
	}
	c := hold(t, w.node(""))
	backup(c, testID, w.refs...)
	require.NoError(t, c.lock(wire.LockRelease, "me"))
	w.later(root)
	return w
}

// fill writes some SSTables of all formats into a table's live directories.
func (w *wreck) fill(ks, table, id string, any bool) {
	for dir := range w.data {
		live := w.table(dir, ks, table, id)
		if !any {
			continue
		}
		for n := range 1 + w.rng.IntN(2) {
			bases := []string{fmt.Sprintf("nb-%d-big", n+1), fmt.Sprintf("oa-%d-big", n+1), fmt.Sprintf("da-3gp2_0a1x_4sv282a1uclk7bjbz%d-bti", n)}
			w.sstable(live, bases[w.rng.IntN(len(bases))], "CompressionInfo.db", "SAI+aa+GroupComplete.db")
		}
		if table == "a" {
			w.sstable(filepath.Join(live, ".a_idx"), "nb-1-big", "SI_x.db")
			require.NoError(w.t, os.Chmod(live, 0o777)) // modes that a umask takes from
			tocs, err := filepath.Glob(filepath.Join(live, "*-TOC.txt"))
			require.NoError(w.t, err)
			for _, toc := range tocs {
				require.NoError(w.t, os.Chmod(toc, 0o666))
			}
		}
	}
}

// later is what happens between the backup and the day that it is needed.
func (w *wreck) later(root string) {
	for dir, dataDir := range w.data {
		for _, r := range w.refs {
			w.compact(filepath.Join(dataDir, r.Keyspace, sstable.TableDir(r.Name, r.ID)))
		}
		a := w.table(dir, "ks", "a", id32(4))
		require.NoError(w.t, os.RemoveAll(filepath.Join(a, ".a_idx")))
		later := w.table(dir, "ks", "later", id32(90))
		w.sstable(later, "nb-1-big")
		w.sstable(filepath.Join(later, ".later_idx"), "nb-1-big")
		w.write(filepath.Join(later, "backups", "nb-1-big-Data.db"), "incremental")
		w.sstable(w.table(dir, "other", "a", id32(91)), "me-1-big")
		b := w.table(dir, "ks", "b", id32(5))
		w.sstable(filepath.Join(b, ".created_since"), "nb-4-big")
		w.write(filepath.Join(b, ".not_only_ours", "nb-4-big-Data.db"), "live")
		w.write(filepath.Join(b, ".not_only_ours", "README"), "foreign")
		w.write(filepath.Join(b, "manifest.json"), "foreign")
		w.write(filepath.Join(b, "own dir", "nb-4-big-Data.db"), "foreign")
		require.NoError(w.t, os.Symlink("../../../../outside/nb-7-big-Data.db", filepath.Join(b, "nb-77-big-Data.db")))
		require.NoError(w.t, os.Symlink("../../../outside", filepath.Join(dataDir, "ks", "linked-"+id32(92))))
		require.NoError(w.t, os.Symlink("../../outside", filepath.Join(dataDir, "linked")))
		w.write(filepath.Join(dataDir, "ks", "file-"+id32(93)), "a file where a directory was")
		w.write(filepath.Join(dataDir, "cassandra-heartbeat"), "{}")
		w.write(filepath.Join(dataDir, "system", "_paxos_repair_state", "x"), "paxos")
	}
	w.snapshot("ks", "later", id32(90), "dropped-1-later")
	for path, content := range map[string]string{
		"commitlog/CommitLog-7-1.log": "torn", "commitlog/CommitLog-7-2_cdc.idx": "1", "commitlog/lost+found/x": "fsck", "commitlog/README": "foreign",
		"hints/0f-1-2.hints": "later", "hints/0f-1-2.crc32": "1", "saved_caches/KeyCache-f.db": "k", "saved_caches/ks-a-RowCache-b.db": "k", "cdc_raw/CommitLog-7-1.log": "cdc",
	} {
		w.write(filepath.Join(w.root, path), content)
	}
	require.NoError(w.t, os.Symlink("../../outside/nb-7-big-Data.db", filepath.Join(w.root, "commitlog", "CommitLog-7-9.log")))
}

// compact changes a live directory as Cassandra and bad luck do: files are
// removed, rewritten under their names, truncated, added; logs lie around.
func (w *wreck) compact(live string) {
	entries, err := os.ReadDir(live)
	require.NoError(w.t, err)
	for _, e := range entries {
		path := filepath.Join(live, e.Name())
		if e.IsDir() {
			continue
		}
		switch w.rng.IntN(5) {
		case 0:
			require.NoError(w.t, os.Remove(path))
		case 1, 2: // another file of that name
			content, err := os.ReadFile(path)
			require.NoError(w.t, err)
			require.NoError(w.t, os.Remove(path))
			w.write(path, string(content)[:w.rng.IntN(len(content)+1)])
			require.NoError(w.t, os.Chmod(path, 0o400))
		}
	}
	w.sstable(live, fmt.Sprintf("nb-%d-big", 5+w.rng.IntN(3)))
	w.write(filepath.Join(live, "nb-2000000001-big-Statistics.db"), "placed by a restore that died")
	w.write(filepath.Join(live, "nb-9-big-Statistics.db.tmp"), "")
	w.write(filepath.Join(live, "nb_txn_compaction_5f9a5f20-c6f2-11f0-8b2a-1d2e3f4a5b6c.log"), "ADD:[,0,0][42")
	w.write(filepath.Join(live, "da_txn_write_5f9a5f20-c6f2-11f0-8b2a-1d2e3f4a5b6d.log"), "")
}

// copyTree copies a directory; hard links, links, modes stay what they are.
func copyTree(t testing.TB, from, to string) {
	t.Helper()
	copies := map[storage.Inode]string{}
	require.NoError(t, filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(from, path)
		target := filepath.Join(to, name)
		info, err := e.Info()
		if err != nil {
			return err
		}
		switch {
		case e.IsDir():
			return errors.Join(os.MkdirAll(target, 0o755), os.Chmod(target, info.Mode().Perm()))
		case e.Type()&fs.ModeSymlink != 0:
			leads, err := os.Readlink(path)
			return errors.Join(err, os.Symlink(leads, target))
		case copies[storage.InodeOf(info)] != "":
			return os.Link(copies[storage.InodeOf(info)], target)
		}
		copies[storage.InodeOf(info)] = target
		content, err := os.ReadFile(path)
		return errors.Join(err, os.WriteFile(target, content, 0o600), os.Chmod(target, info.Mode().Perm()))
	}))
}

// portrait is all that is below a directory: kind, mode, owner, content, and which
// names are one file. Of the journal and the marker only the names count.
func portrait(t testing.TB, root string) map[string]string {
	t.Helper()
	first := map[storage.Inode]string{}
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		info, err := e.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		text := fmt.Sprintf("%s %d:%d", info.Mode(), st.Uid, st.Gid)
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			leads, err := os.Readlink(path)
			found[name] = text + " -> " + leads
			return err
		case info.Mode().IsRegular():
			if first[storage.InodeOf(info)] == "" {
				first[storage.InodeOf(info)] = name
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = ownAttributes.ReplaceAll(content, nil) // of the directory that the volume is in
			if e.Name() != ledger.JournalFile && e.Name() != ledger.CleanedFile {
				text += fmt.Sprintf(" %08x is %s", crc32.ChecksumIEEE(content), first[storage.InodeOf(info)])
			}
		}
		found[name] = text
		return nil
	}))
	return found
}

var ownAttributes = regexp.MustCompile(`(?s)"volumeAttributes": \{.*?\},`)

// sameTree compares two portraits and prints what differs, and no more.
func sameTree(t testing.TB, want, got map[string]string, when string) {
	t.Helper()
	var differences []string
	for name := range want {
		if got[name] != want[name] {
			differences = append(differences, fmt.Sprintf("%s: want %q, is %q", name, want[name], got[name]))
		}
	}
	for name := range got {
		if want[name] == "" {
			differences = append(differences, fmt.Sprintf("%s: is %q, must not be there", name, got[name]))
		}
	}
	slices.Sort(differences)
	require.Empty(t, strings.Join(differences[:min(8, len(differences))], "\n"), "%s: %d differences", when, len(differences))
}

// withoutLinks leaves out which names are one file.
func withoutLinks(portrait map[string]string) map[string]string {
	short := map[string]string{}
	for name, text := range portrait {
		short[name], _, _ = strings.Cut(text, " is ")
	}
	return short
}

func wreckOptions(root string, forget bool) Options {
	volume := filepath.Join(root, "volume")
	return Options{Volume: volume, Data: []string{filepath.Join(volume, "data0"), filepath.Join(volume, "data1")}, VolumeID: restoredVolume, ForgetPeers: forget}
}

// killed is what a failpoint panics with: nothing that follows is run, as after
// SIGKILL.
type killed struct{}

// cleanUntil runs the cleaner and kills it before change number limit; limit 0 lets it
// run. It returns the number of changes and whether the run ended by itself.
func cleanUntil(t testing.TB, opts Options, limit int) (steps int, r *wire.CleanResult) {
	t.Helper()
	c, err := newCleaner(opts)
	require.NoError(t, err)
	defer c.node.Close() // as the end of the process does
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(killed); !ok {
				panic(p)
			}
		}
	}()
	c.disk.before = func(string, string) error {
		if steps++; steps == limit {
			panic(killed{})
		}
		return nil
	}
	r, err = c.run(t.Context())
	require.NoError(t, err)
	return steps, r
}

// TestCleanKilledAnywhere kills the cleaner before every change that it makes, on
// volumes of all kinds of states, once and then once more in the next run, and
// wants the last run to end as one that was never killed.
func TestCleanKilledAnywhere(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		forget, stride := seed == 1, 1+3*int(seed) // every change of the first volume
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			dir := scratch(t)
			start, straight := filepath.Join(dir, "start"), filepath.Join(dir, "straight")
			newWreck(t, start, seed, "system.peers", "ks.a")
			copyTree(t, start, straight)
			total, r := cleanUntil(t, wreckOptions(straight, forget), 0)
			require.Equal(t, wire.StateCleaned, r.State)
			want := portrait(t, straight)
			require.Greater(t, total, 100)
			rng := rand.New(rand.NewPCG(seed, 2))
			runs := 0
			for k := 1; k <= total; k += stride {
				root := filepath.Join(dir, "run")
				copyTree(t, start, root)
				_, r := cleanUntil(t, wreckOptions(root, forget), k)
				require.Nil(t, r)
				if rng.IntN(3) == 0 {
					_, _ = cleanUntil(t, wreckOptions(root, rng.IntN(2) == 0), 1+rng.IntN(total))
					runs++
				}
				opts := wreckOptions(root, forget)
				opts.Again = true // a random second run may have come to its end
				_, r = cleanUntil(t, opts, 0)
				require.Equal(t, wire.StateCleaned, r.State)
				sameTree(t, want, portrait(t, root), fmt.Sprintf("killed at %d of %d", k, total))
				require.NoError(t, os.RemoveAll(root))
				runs += 2
			}
			t.Logf("%d runs, killed at %d of %d changes", runs, (total+stride-1)/stride, total)
		})
	}
}

// TestCleanIsExact compares the volume with what it must be, told apart from how
// the cleaner gets there.
func TestCleanIsExact(t *testing.T) {
	t.Parallel()
	for _, forget := range []bool{false, true} {
		for seed := range uint64(10) {
			t.Run(fmt.Sprint("peers forgotten ", forget, ", seed ", seed), func(t *testing.T) {
				t.Parallel()
				root := scratch(t)
				w := newWreck(t, root, seed)
				before := portrait(t, root)
				_, r := cleanUntil(t, wreckOptions(root, forget), 0)
				after := portrait(t, root)
				w.exact(before, after, r, forget)
				second, err := Clean(t.Context(), wreckOptions(root, forget))
				require.NoError(t, err)
				require.Equal(t, wire.StateUnchanged, second.State)
				require.Equal(t, [3]int64{int64(r.Tables), int64(r.Files), r.Bytes}, [3]int64{int64(second.Tables), int64(second.Files), second.Bytes})
				sameTree(t, after, portrait(t, root), "second run")
			})
		}
	}
}

// gone tells whether a name of a live directory is one that must not survive.
func gone(base string) bool {
	_, live := sstable.ParseName(base)
	return live || strings.Contains(base, "_txn_")
}

// exact checks every name of the volume.
func (w *wreck) exact(before, after map[string]string, r *wire.CleanResult, forget bool) {
	w.t.Helper()
	want := map[string]string{}
	for name, text := range before {
		base, parent := filepath.Base(name), filepath.Dir(name)
		inLive := strings.Contains(name, "/data") && !strings.Contains(name, "/snapshots/") && !strings.Contains(name, "/backups/") && !strings.Contains(name, "/own dir/")
		switch {
		case inLive && gone(base):
		case inLive && (base == ".created_since" || base == ".later_idx"):
		case strings.HasPrefix(base, "CommitLog-"), strings.HasSuffix(parent, "/hints"), strings.HasSuffix(parent, "/saved_caches"):
		default:
			want[name] = text
		}
	}
	files, tocs := 0, 0
	for name, text := range before {
		table, file, ok := strings.Cut(name, "/snapshots/"+testID+"/")
		if !ok || filepath.Base(name) == sstable.ManifestFile || (forget && strings.Contains(table, "/system/peers")) {
			continue
		}
		live := filepath.Join(table, file)
		if strings.HasPrefix(text, "d") { // an index's directory is like its table's
			text = before[table]
		} else {
			files++
		}
		if strings.HasSuffix(file, "-TOC.txt") {
			tocs++
		}
		want[live] = text
	}
	for name := range after {
		if strings.HasPrefix(name, "volume/casshook/restore-") {
			want[name] = after[name]
		}
	}
	sameTree(w.t, withoutLinks(want), withoutLinks(after), "")
	w.oneFile(forget)
	require.Equal(w.t, files, r.Files)
	require.LessOrEqual(w.t, r.Linked+r.Copied, files)
	require.LessOrEqual(w.t, r.Copied, tocs)
	require.Equal(w.t, int64(r.Copied), r.BytesCopied, "a TOC.txt of the model has one byte, and nothing else is copied")
	var emptied []string
	for _, e := range r.TablesEmptied {
		emptied = append(emptied, strings.TrimPrefix(e.Path, w.root+"/"))
	}
	require.ElementsMatch(w.t, []string{"data0/ks/later-" + id32(90), "data1/ks/later-" + id32(90), "data0/other/a-" + id32(91), "data1/other/a-" + id32(91)}, emptied)
	require.Len(w.t, r.DirectoriesEmptied, 4)
	require.Len(w.t, r.Foreign, 2*7+1)
}

// oneFile wants every file that was put in place to be the snapshot's own, but for
// TOC.txt.
func (w *wreck) oneFile(forget bool) {
	w.t.Helper()
	for _, dataDir := range w.data {
		for _, tableRef := range w.refs {
			dir := document.SnapshotDir(dataDir, tableRef.Keyspace, tableRef.Name, tableRef.ID, testID)
			if forget && strings.HasPrefix(tableRef.Name, "peers") {
				continue
			}
			for _, name := range tree(w.t, dir) {
				live := filepath.Join(filepath.Dir(filepath.Dir(dir)), name)
				if _, ok := sstable.ParseName(filepath.Base(name)); ok {
					same := inodeAt(w.t, filepath.Join(dir, name)) == inodeAt(w.t, live)
					require.Equal(w.t, !strings.HasSuffix(name, "-TOC.txt"), same, live)
				}
			}
		}
	}
}
