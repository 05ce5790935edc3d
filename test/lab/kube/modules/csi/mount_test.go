package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const someMounts = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /lab/pool rw,noatime shared:5 - btrfs /dev/loop0 rw
31 22 0:40 /vols/pvc-1 /kubelet/pods/a/mount rw,noatime shared:5 - btrfs /dev/loop0 rw
32 22 0:40 /vols/pvc-1/data /kubelet/pods/a/sub\040path\1341 ro,noatime - btrfs /dev/loop0 rw
33 22 0:40 /vols/pvc-10 /kubelet/pods/b/mount rw - btrfs /dev/loop0 rw
34 22 254:0 /vols/pvc-1 /elsewhere rw - ext4 /dev/vda rw
35 33 0:99 / /kubelet/pods/b/mount rw - tmpfs tmpfs rw
`

func TestParseMounts(t *testing.T) {
	t.Parallel()
	table, err := parseMounts(someMounts)
	require.NoError(t, err)
	require.Len(t, table, 7)
	require.Equal(t, mount{device: "0:40", root: "/vols/pvc-1/data", point: `/kubelet/pods/a/sub path\1`, readOnly: true}, table[3])
	require.False(t, table[0].readOnly, "relatime is not ro")

	_, err = parseMounts("22 1 254:0 /\n")
	require.ErrorContains(t, err, "parse mount table")
	table, err = parseMounts("")
	require.NoError(t, err)
	require.Empty(t, table)
}

func TestUnescape(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`a\040b`: "a b", `\011`: "\t", `a\`: `a\`, `a\04`: `a\04`, `a\999`: `a\999`, `\134040`: `\040`, "": "",
	} {
		require.Equal(t, want, unescape(text))
	}
}

func TestMountsOfAVolume(t *testing.T) {
	t.Parallel()
	table, err := parseMounts(someMounts)
	require.NoError(t, err)
	points := func(path string) (found []string) {
		for _, m := range table.of(path) {
			found = append(found, m.point)
		}
		return found
	}
	require.Equal(t, []string{"/kubelet/pods/a/mount", `/kubelet/pods/a/sub path\1`}, points("/lab/pool/vols/pvc-1"))
	require.Equal(t, []string{"/kubelet/pods/b/mount"}, points("/lab/pool/vols/pvc-10"), "the same beginning is another volume")
	require.Empty(t, points("/lab/pool/vols/pvc-2"))
	require.Equal(t, []string{"/elsewhere"}, points("/vols/pvc-1"), "the same path in another file system")
	require.Empty(t, mountTable{}.of("/x"))
}

func TestWhatIsSeenAtAPoint(t *testing.T) {
	t.Parallel()
	table, err := parseMounts(someMounts)
	require.NoError(t, err)
	m, ok := table.at("/kubelet/pods/b/mount")
	require.True(t, ok)
	require.Equal(t, "0:99", m.device, "the last one covers the others")
	_, ok = table.at("/kubelet/pods")
	require.False(t, ok)
	device, root, ok := table.locate("/kubelet/pods/a/mount/x/y")
	require.True(t, ok)
	require.Equal(t, "0:40 /vols/pvc-1/x/y", device+" "+root)
}

func TestKernelTableCanBeRead(t *testing.T) {
	t.Parallel()
	table, err := kernel{}.List()
	require.NoError(t, err)
	_, _, ok := table.locate(t.TempDir())
	require.True(t, ok)
}

func TestResolve(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "real"), 0o755))
	require.NoError(t, os.Symlink("real", filepath.Join(dir, "link")))
	require.Equal(t, filepath.Join(dir, "real", "target"), resolve(filepath.Join(dir, "link", "target")))
	require.Equal(t, "/no/such/dir/target", resolve("/no/such//dir/target/"))
}
