package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/sstable"
)

// flip changes one bit at a place of a file.
func flip(t *testing.T, path string, at float64) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	content[int(at*float64(len(content)-1))] ^= 1
	require.NoError(t, os.WriteFile(path, content, 0o644))
}

// summed is a volume with a backup of one SSTable, whose components are all of a size.
func summed(t *testing.T, size int, without ...string) (v *volume, snapshot string, c *client, r wire.WriteResult) {
	t.Helper()
	v = newVolume(t, 1)
	v.identity = "pvc"
	live := v.table(0, "ks", "a", tableOne)
	v.sstable(live, "nb-1-big")
	for _, component := range allComponents() {
		v.write(filepath.Join(live, "nb-1-big-"+component), strings.Repeat(component[:4], size/4))
	}
	for _, component := range without {
		require.NoError(t, os.Remove(filepath.Join(live, "nb-1-big-"+component)))
	}
	v.snapshot("ks", "a", tableOne, testID)
	c = hold(t, v.node(""))
	r, err := describe(c, testID, ref("ks", "a", tableOne))
	require.NoError(t, err)
	_, err = ask[none](c, wire.OpComplete, completeArgs(t, testID, r.Digest))
	require.NoError(t, err)
	return v, filepath.Join(live, "snapshots", testID), c, r
}

func allComponents() []string {
	return []string{"Index.db", "Partitions.db", "Rows.db", "CompressionInfo.db", "Statistics.db", "Summary.db", "SAI+aa+i+TermsData.db", "Filter.db", "TOC.txt", "CRC.db"}
}

func verified(c *client, full bool) wire.VerifyResult {
	c.t.Helper()
	r, err := ask[wire.VerifyResult](c, wire.OpVerify, wire.VerifyArgs{BackupID: testID, Full: full})
	require.NoError(c.t, err)
	return r
}

// TestFullVerifyFindsFlippedBits: in every component, of every size; without --full in the
// small ones.
func TestFullVerifyFindsFlippedBits(t *testing.T) {
	t.Parallel()
	for _, component := range append(allComponents(), "Data.db") {
		for _, size := range []int{200, document.SmallFile, document.SmallFile + 4, 300 << 10} {
			_, snapshot, c, _ := summed(t, size)
			r := verified(c, true)
			require.Empty(t, r.Problems)
			require.Empty(t, r.NotCovered)
			for _, at := range []float64{0, 0.5, 1} {
				file := filepath.Join(snapshot, "nb-1-big-"+component)
				flip(t, file, at)
				r = verified(c, true)
				require.Len(t, r.Problems, 1, "%s of %d bytes, at %.1f", component, size, at)
				require.Contains(t, r.Problems[0], component)
				found := 0
				if size <= document.SmallFile && component != "Data.db" {
					found = 1
				}
				require.Len(t, verified(c, false).Problems, found, "%s of %d bytes, without --full", component, size)
				flip(t, file, at)
			}
		}
	}
}

// TestDataWithoutDigest: what Cassandra has no checksum of gets one of ours, and the backup
// says so.
func TestDataWithoutDigest(t *testing.T) {
	t.Parallel()
	for _, size := range []int{200, 300 << 10} {
		v, snapshot, c, r := summed(t, size, sstable.Digest)
		require.Len(t, r.Warnings, 1)
		require.Contains(t, r.Warnings[0], "SSTables without Digest.crc32, of which casshook computed the checksum itself")
		require.Contains(t, r.Warnings[0], "ks.a (1)")
		require.Empty(t, verified(c, true).Problems)
		require.Empty(t, verified(c, true).NotCovered)
		flip(t, filepath.Join(snapshot, "nb-1-big-Data.db"), 0.5)
		require.Len(t, verified(c, true).Problems, 1)
		require.Contains(t, verified(c, true).Problems[0], "nb-1-big-Data.db: checksum mismatch")
		require.NotEmpty(t, v.root)
	}
	_, _, _, r := summed(t, 200)
	require.Empty(t, r.Warnings)
}

// TestWhatCassandraRewritesIsNotDamage: a Bloom filter for another bloom_filter_fp_chance,
// and a table of contents with one more line or in another order.
func TestWhatCassandraRewritesIsNotDamage(t *testing.T) {
	t.Parallel()
	for _, size := range []int{200, 300 << 10} {
		_, snapshot, c, _ := summed(t, size)
		filter := filepath.Join(snapshot, "nb-1-big-Filter.db")
		content, err := os.ReadFile(filter)
		require.NoError(t, err)
		for i := range content {
			content[i]++
		}
		require.NoError(t, os.WriteFile(filter, content, 0o644)) // in place: the live file is the same
		require.NoError(t, os.WriteFile(filepath.Join(snapshot, "nb-1-big-TOC.txt"), []byte("Data.db\nSAI+aa+i+Meta.db\n"), 0o644))
		require.Empty(t, verified(c, false).Problems)
		r := verified(c, true)
		require.Empty(t, r.Problems)
		require.Equal(t, []string{"ks.a: nb-1-big-Filter.db", "ks.a: nb-1-big-TOC.txt"}, r.NotCovered)
	}
}

// TestOrderOfLinesIsNoDamage: Cassandra writes the lines of TOC.txt as they come.
func TestOrderOfLinesIsNoDamage(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	live := v.table(0, "ks", "a", tableOne)
	v.sstable(live, "nb-1-big")
	toc := filepath.Join(live, "nb-1-big-TOC.txt")
	v.write(toc, "Data.db\nIndex.db\nTOC.txt\n")
	v.snapshot("ks", "a", tableOne, testID)
	c := hold(t, v.node(""))
	backup(c, testID, ref("ks", "a", tableOne))
	require.NoError(t, os.WriteFile(toc, []byte("TOC.txt\nData.db\nIndex.db\n"), 0o644))
	require.Empty(t, verified(c, true).Problems)
	require.Empty(t, verified(c, true).NotCovered)
	require.NoError(t, os.WriteFile(toc, []byte("TOC.txt\nDbta.db\nIndex.db\n"), 0o644))
	require.Len(t, verified(c, false).Problems, 1)
}
