package ledger

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/document"
)

// attributes of a volume by pairs of name and value.
func attributes(pairs ...string) document.Attributes {
	a := document.Attributes{}
	for i := 0; i < len(pairs); i += 2 {
		a[pairs[i]] = pairs[i+1]
	}
	return a
}

func with(a document.Attributes, pairs ...string) document.Attributes {
	a = maps.Clone(a)
	maps.Copy(a, attributes(pairs...))
	return a
}

func without(a document.Attributes, names ...string) document.Attributes {
	a = maps.Clone(a)
	for _, name := range names {
		delete(a, name)
	}
	return a
}

// TestCompare is the table of docs/identity.md.
func TestCompare(t *testing.T) {
	t.Parallel()
	file := attributes(document.MarkID, "A", document.MarkInode, "7", document.MarkBorn, "1.5")
	disk := with(file, document.RootInode, "2", document.RootBorn, "0.5", document.WWID, "naa.6001", document.Serial, "s1")
	slot := with(file, document.WWID, "t10.QEMU_drive-scsi1")
	pvc := attributes(document.Claim, "c1", document.PersistentVolume, "p1")
	pvcDisk := with(pvc, document.RootInode, "2", document.RootBorn, "0.5", document.WWID, "nvme.1d0f-1")
	born := []string{document.MarkBorn, "2.5"}
	for _, c := range []struct {
		name     string
		was, now document.Attributes
		want     Origin
	}{
		{"nothing known", nil, nil, Unknown},
		{"nothing known now", file, nil, Unknown},
		{"the same file", file, file, Original},
		{"files copied", file, with(file, born...), Copy},
		{"files copied on one disk", disk, with(disk, born...), Copy},
		{"another inode, born at the same time", file, with(file, document.MarkInode, "8"), Unknown},
		{"the id file made anew", file, with(file, document.MarkID, "B", document.MarkInode, "9", document.MarkBorn, "9.9"), Unknown},
		{"the id file made anew, the disk known", disk, with(disk, document.MarkID, "B", document.MarkInode, "9", document.MarkBorn, "9.9"), Original},
		{"the id file made anew, the slot known", slot, with(slot, document.MarkID, "B", document.MarkInode, "9", document.MarkBorn, "9.9"), Unknown},

		{"the same disk", disk, disk, Original},
		{"the same slot", slot, slot, Original},
		{"another disk, copied as a block device", disk, with(disk, document.WWID, "naa.6002", document.Serial, "s2"), Copy},
		{"no sysfs now", disk, file, Unknown},
		{"no sysfs then", file, disk, Unknown},
		{"another attribute now", with(file, document.Serial, "s1"), with(file, document.DMUUID, "mpath-1"), Unknown},
		{"one attribute more now", with(file, document.Serial, "s1"), disk, Original},
		{"names that contradict each other", disk, with(disk, document.WWID, "eui.9"), Unknown},
		{"another partition of the disk", with(disk, document.Partition, "1"), with(disk, document.Partition, "2"), Copy},
		{"the same partition", with(disk, document.Partition, "1"), with(disk, document.Partition, "1"), Original},

		{"the same given", with(file, document.Given, "d1"), with(file, document.Given, "d1"), Original},
		{"another given, a copied block device", with(file, document.Given, "d1"), with(file, document.Given, "d2"), Copy},
		{"another given, the same slot", with(slot, document.Given, "d1"), with(slot, document.Given, "d2"), Copy},
		{"another given, the very disk", with(disk, document.Given, "d1"), with(disk, document.Given, "d2"), Unknown},
		{"another given, files copied on the very disk", with(disk, document.Given, "d1"), with(with(disk, document.Given, "d2"), born...), Copy},
		{"another spelling of what is given", attributes(document.Given, "d1"), attributes(document.Given, "projects/p/disks/d1"), Unknown},
		{"what is given was not changed, the disk was", with(disk, document.Given, "d1"), with(file, document.Given, "d1", document.WWID, "naa.6002"), Unknown},
		{"what is given was not changed, files were copied", with(file, document.Given, "d1"), with(with(file, document.Given, "d1"), born...), Unknown},
		{"given since", file, with(file, document.Given, "d1"), Unknown},
		{"given since, on the very disk", disk, with(disk, document.Given, "d1"), Original},
		{"given since, on the same slot", slot, with(slot, document.Given, "d1"), Unknown},
		{"given since, on another disk", disk, with(file, document.Given, "d1", document.WWID, "naa.6002"), Copy},
		{"given since, files copied", file, with(with(file, document.Given, "d1"), born...), Copy},
		{"given no more", with(file, document.Given, "d1"), file, Unknown},

		{"the same claim", pvc, pvc, Original},
		{"the same claim, the device called otherwise at this machine", pvcDisk, with(pvcDisk, document.WWID, "nvme.1d0f-2"), Original},
		{"the same claim, files copied onto it", with(pvc, document.MarkID, "A", document.MarkInode, "7", document.MarkBorn, "1.5"),
			with(pvc, document.MarkID, "A", document.MarkInode, "7", document.MarkBorn, "2.5"), Unknown},
		{"restored: another claim and volume", pvc, attributes(document.Claim, "c2", document.PersistentVolume, "p2"), Copy},
		{"restored on another disk", pvcDisk, attributes(document.Claim, "c2", document.PersistentVolume, "p2", document.WWID, "nvme.1d0f-2"), Copy},
		{"restored on a storage that calls all disks alike", with(pvc, document.WWID, "t10.IET"), attributes(document.Claim, "c2", document.PersistentVolume, "p2", document.WWID, "t10.IET"), Copy},
		{"the very disk, imported as another volume", pvcDisk, with(pvcDisk, document.Claim, "c2", document.PersistentVolume, "p2"), Unknown},
		{"another directory of the very disk", pvcDisk, with(pvcDisk, document.Claim, "c2", document.PersistentVolume, "p2", document.RootInode, "3", document.RootBorn, "2.5"), Copy},
		{"a claim made anew, another directory of the very disk", pvcDisk, with(pvcDisk, document.Claim, "c2", document.RootBorn, "2.5"), Unknown},
		{"a claim made anew", pvc, with(pvc, document.Claim, "c2"), Unknown},
		{"a claim made anew, the very disk", pvcDisk, with(pvcDisk, document.Claim, "c2"), Original},
		{"a claim made anew, a volume of the same name made anew", pvcDisk, with(pvcDisk, document.Claim, "c2", document.WWID, "nvme.1d0f-2"), Copy},
		{"no claim known now", with(file, document.Claim, "c1", document.PersistentVolume, "p1"), file, Unknown},
		{"no claim known now, files copied", with(file, document.Claim, "c1", document.PersistentVolume, "p1"), with(file, born...), Copy},
		{"no claim known now, the very disk", pvcDisk, without(pvcDisk, document.Claim, document.PersistentVolume), Original},
	} {
		require.Equal(t, c.want, compare(c.was, c.now), c.name)
	}
}

// TestCompareNeverByAbsence: whatever is not to be seen of a volume, then or now, does not
// make it another one.
func TestCompareNeverByAbsence(t *testing.T) {
	t.Parallel()
	all := attributes(document.Given, "d1", document.Claim, "c1", document.PersistentVolume, "p1", document.MarkID, "A", document.MarkInode, "7",
		document.MarkBorn, "1.5", document.RootInode, "2", document.RootBorn, "0.5", document.DMUUID, "LVM-1", document.WWID, "naa.6001", document.Serial, "s1", document.Partition, "1")
	names := attributeNames()
	subset := func(bits int) document.Attributes {
		a := document.Attributes{}
		for i, name := range names {
			if bits&(1<<i) != 0 && all[name] != "" {
				a[name] = all[name]
			}
		}
		return a
	}
	count := 0
	for was := range 1 << len(names) {
		for _, now := range []int{1<<len(names) - 1, was ^ (1<<len(names) - 1), was & 0b0101010101010, was | 0b1010101010101, was} {
			count++
			require.NotEqual(t, Copy, compare(subset(was), subset(now)), "%v and %v", subset(was), subset(now))
		}
	}
	require.Equal(t, 5<<len(names), count)
}

// TestCompareEarlierReleases: one text for everything, of which the name of the device may
// be that of any attribute.
func TestCompareEarlierReleases(t *testing.T) {
	t.Parallel()
	const mark = "ABCDEFGHIJKLMNOPQRSTUVWXY2"
	file := attributes(document.MarkID, mark, document.MarkInode, "7", document.MarkBorn, "1.000000005")
	text := mark + ":7-1.000000005"
	for _, c := range []struct {
		name, was string
		now       document.Attributes
		want      Origin
	}{
		{"a file without a device", text, file, Original},
		{"files copied", text, with(file, document.MarkBorn, "2.000000005"), Copy},
		{"the device by its first attribute", text + "-naa.6001", with(file, document.WWID, "naa.6001", document.Serial, "s1"), Original},
		{"the device by another attribute", text + "-s-1", with(file, document.WWID, "naa.6001", document.Serial, "s-1"), Original},
		{"a device of another name may be called by another attribute", text + "-s2", with(file, document.WWID, "naa.6001"), Unknown},
		{"no sysfs now", text + "-s1", file, Unknown},
		{"given since", text + "-naa.6001", with(file, document.Given, "d1", document.WWID, "naa.6001"), Original},
		{"a claim", "pvc/c1/p1", attributes(document.Claim, "c1", document.PersistentVolume, "p1", document.WWID, "x"), Original},
		{"another claim", "pvc/c1/p1", attributes(document.Claim, "c2", document.PersistentVolume, "p2"), Copy},
		{"a claim made anew", "pvc/c1/p1", attributes(document.Claim, "c2", document.PersistentVolume, "p1"), Unknown},
		{"given", "disk-1", attributes(document.Given, "disk-1"), Original},
		{"given otherwise", "disk-1", attributes(document.Given, "disk-2"), Copy},
		{"nothing", "", file, Unknown},
	} {
		require.Equal(t, c.want, OriginOf(Backup{Volume: c.was}, Volume{Identity: "x", Attributes: c.now}), c.name)
	}
}

// TestRestoreGoesOnUnderAnotherName: a restore that was begun when its volumes had other
// names is the same restore: what is loaded is not loaded again.
func TestRestoreGoesOnUnderAnotherName(t *testing.T) {
	t.Parallel()
	volumes := func(name string, stage Stage) []Volume {
		var all []Volume
		for _, n := range []string{"1", "2"} {
			is := attributes(document.Claim, "c"+n, document.PersistentVolume, "p"+n)
			v := Volume{Node: "n" + n, Identity: "pvc/c" + n + "/p" + n, Attributes: is, Backups: []Backup{{ID: older, Complete: true, Volume: "pvc/c0/p0" + n}}}
			if stage != None {
				id := RestoreID(older, []Volume{{Identity: name + "1"}, {Identity: name + "2"}}, All())
				v.Restores = []Restore{{ID: id, BackupID: older, Volume: name + n, Attributes: is, Scope: All(), Stage: stage}}
			}
			all = append(all, v)
		}
		return all
	}
	request := Request{Operation: AfterRestore}
	begun := volumes("file-", Loaded)
	d := Decide(begun, older, All(), request)
	require.Equal(t, Prove, d.Action, "clients may have written")
	require.Equal(t, begun[0].Restores[0].ID, d.ID)
	require.Equal(t, Nothing, Decide(volumes("file-", Done), older, All(), request).Action)
	_, backup, ok := Finished(volumes("file-", Done), "")
	require.True(t, ok)
	require.Equal(t, older, backup)
	require.Equal(t, Begin, Decide(volumes("", None), older, All(), request).Action)

	part := Decide(begun, older, part("orders"), request)
	require.NotEqual(t, begun[0].Restores[0].ID, part.ID, "another scope is another restore")
	back := volumes("file-", Loaded)
	back[1].Attributes = attributes(document.Claim, "c9", document.PersistentVolume, "p9")
	require.NotEqual(t, begun[0].Restores[0].ID, Decide(back, older, All(), request).ID, "one of the volumes came back once more")
}

func TestExplain(t *testing.T) {
	t.Parallel()
	b := Backup{Volume: "pvc/c1/p1"}
	v := Volume{Attributes: attributes(document.Claim, "c2", document.PersistentVolume, "p1", document.WWID, "x\n")}
	require.Equal(t, `the same: persistentVolume "p1"; different: claim "c1", now "c2"; seen only now: wwid "x\n"`, Explain(b, v))
	require.Equal(t, `recorded only: claim "c1", persistentVolume "p1"`, Explain(b, Volume{}))
	require.Equal(t, "nothing is known of either", Explain(Backup{}, Volume{}))
}
