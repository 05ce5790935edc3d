package ledger

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/casshook/casshook/pkg/document"
)

// OriginOf compares what is known of a volume with what was recorded of the one that a
// backup was made on.
func OriginOf(b Backup, v Volume) Origin { return compare(b.attributes(), v.attributes()) }

// attributes are those that were recorded; of earlier releases what their one text says.
func (b Backup) attributes() document.Attributes { return known(b.Attributes, b.Volume) }

func (v Volume) attributes() document.Attributes { return known(v.Attributes, v.Identity) }

func (r Restore) attributes() document.Attributes { return known(r.Attributes, r.Volume) }

func known(a document.Attributes, identity string) document.Attributes {
	if len(a) > 0 {
		return a
	}
	return document.ParseIdentity(identity)
}

// Elsewhere tells what was recorded on another volume and came here with a copy of it.
// Where that is not certain it counts as this volume's: nothing is forgotten.
func (v Volume) Elsewhere(identity string) bool {
	return compare(document.ParseIdentity(identity), v.attributes()) == Copy
}

// Here tells a restore of this very volume from one that came along with a copy. Where
// that is not certain it counts as this volume's. A record of no volume, as a run leaves
// that was killed at once, is nobody's.
func (v Volume) Here(r Restore) bool {
	was := r.attributes()
	return len(was) > 0 && compare(was, v.attributes()) != Copy
}

// evidence is what one kind of attribute says of two volumes: Original that they are one,
// Copy that they are two, Unknown nothing.
type evidence = Origin

// compare decides whether a volume is the one that something was recorded on. An attribute
// that only one side has never counts. The table in docs/identity.md is this function.
func compare(was, now document.Attributes) Origin {
	named, files := compareNames(was, now), compareFiles(was, now)
	device, unique := compareDevices(was, now)
	certain := unique && sameDirectory(was, now, files)
	switch {
	case named == Original:
		return sameName(was, files, device)
	case named == Copy && certain: // the very directory of the very disk, called otherwise
		return Unknown
	case named == Copy, files == Copy:
		return Copy
	case certain:
		return Original
	}
	return unnamed(was, now, files, device)
}

// unnamed compares volumes whose names decide nothing, by their files and devices.
func unnamed(was, now document.Attributes, files, device evidence) Origin {
	named := hasName(was) || hasName(now)
	switch {
	case device == Original && files == Original && !named:
		return Original
	case device == Original:
		return Unknown
	case device == Unknown && files == Original && !named && !hasDevice(was) && !hasDevice(now):
		return Original
	}
	return device
}

// sameDirectory tells whether the volume's directory is the same, by its id file or by
// itself, if it is on the same device.
func sameDirectory(was, now document.Attributes, files evidence) bool {
	root := hasAll(was, now, document.RootInode, document.RootBorn) && equal(was, now, document.RootInode) && equal(was, now, document.RootBorn)
	return files == Original || files == Unknown && root
}

// sameName is about volumes of the same name. Kubernetes is believed whatever the device
// is called at this machine; people may have forgotten to change what they gave.
func sameName(was document.Attributes, files, device evidence) Origin {
	if files == Copy || device == Copy && was[document.Claim] == "" {
		return Unknown
	}
	return Original
}

func hasName(a document.Attributes) bool {
	return a[document.Given]+a[document.Claim]+a[document.PersistentVolume] != ""
}

// compareNames compares what Kubernetes, or people, call the volumes. A claim that was
// made anew may be bound to the same volume, or to another one of the same name. What
// differs only in what comes before the last part may be two spellings.
func compareNames(was, now document.Attributes) evidence {
	if hasAll(was, now, document.Claim, document.PersistentVolume) {
		claim, volume := equal(was, now, document.Claim), equal(was, now, document.PersistentVolume)
		switch {
		case claim && volume:
			return Original
		case volume:
			return Unknown
		}
		return Copy
	}
	switch {
	case !hasAll(was, now, document.Given):
		return Unknown
	case equal(was, now, document.Given):
		return Original
	case path.Base(was[document.Given]) == path.Base(now[document.Given]):
		return Unknown
	}
	return Copy
}

// compareFiles compares the id files. A copy of the file was born at another time; a copy
// of the whole device has the same file. Another id is that of a file made anew.
func compareFiles(was, now document.Attributes) evidence {
	switch {
	case !hasAll(was, now, document.MarkID, document.MarkBorn, document.MarkInode), !equal(was, now, document.MarkID):
		return Unknown
	case !equal(was, now, document.MarkBorn):
		return Copy
	case !equal(was, now, document.MarkInode): // a file system that numbers files as it likes
		return Unknown
	}
	return Original
}

func deviceNames() []string { return []string{document.DMUUID, document.WWID, document.Serial} }

func hasDevice(a document.Attributes) bool {
	for _, name := range append(deviceNames(), document.Device) {
		if a[name] != "" {
			return true
		}
	}
	return false
}

// compareDevices compares the block devices by each name that both have; unique is set
// where they are one by a name that no other device has. Where the names contradict each
// other, they say nothing.
func compareDevices(was, now document.Attributes) (e evidence, unique bool) {
	same, differ := 0, 0
	for _, name := range deviceNames() {
		switch {
		case !hasAll(was, now, name):
		case equal(was, now, name):
			same++
			unique = unique || isUnique(name, now[name])
		default:
			differ++
		}
		if was[document.Device] != "" && was[document.Device] == now[name] {
			same++
			unique = unique || isUnique(name, now[name])
		}
	}
	switch partition := hasAll(was, now, document.Partition) && !equal(was, now, document.Partition); {
	case same > 0 && differ > 0, same+differ == 0:
		return Unknown, false
	case differ > 0, partition:
		return Copy, false
	}
	return Original, unique
}

// uniqueWWID are names that a standard makes unique in the world. Others, t10 among them,
// are texts that a hypervisor or an iSCSI target may give to all of its disks alike.
var uniqueWWID = regexp.MustCompile(`^(naa\.[256]|eui\.|uuid\.|nvme\.)`)

func isUnique(name, text string) bool {
	return name == document.WWID && uniqueWWID.MatchString(text) || name == document.DMUUID && strings.HasPrefix(text, "LVM-")
}

func hasAll(was, now document.Attributes, names ...string) bool {
	for _, name := range names {
		if was[name] == "" || now[name] == "" {
			return false
		}
	}
	return true
}

func equal(was, now document.Attributes, name string) bool { return was[name] == now[name] }

// Explain says what is known of a volume and of the one that a backup was made on, for
// people who have to decide.
func Explain(b Backup, v Volume) string {
	was, now := b.attributes(), v.attributes()
	var equals, differs, before, since []string
	for _, name := range attributeNames() {
		switch {
		case was[name] == "" && now[name] == "":
		case now[name] == "":
			before = append(before, fmt.Sprintf("%s %q", name, was[name]))
		case was[name] == "":
			since = append(since, fmt.Sprintf("%s %q", name, now[name]))
		case equal(was, now, name):
			equals = append(equals, fmt.Sprintf("%s %q", name, now[name]))
		default:
			differs = append(differs, fmt.Sprintf("%s %q, now %q", name, was[name], now[name]))
		}
	}
	var parts []string
	for _, p := range []struct {
		title string
		list  []string
	}{{"the same: ", equals}, {"different: ", differs}, {"recorded only: ", before}, {"seen only now: ", since}} {
		if len(p.list) > 0 {
			parts = append(parts, p.title+strings.Join(p.list, ", "))
		}
	}
	if len(parts) == 0 {
		return "nothing is known of either"
	}
	return strings.Join(parts, "; ")
}

func attributeNames() []string {
	return []string{
		document.Given, document.Claim, document.PersistentVolume, document.MarkID, document.MarkInode, document.MarkBorn, document.RootInode, document.RootBorn,
		document.DMUUID, document.WWID, document.Serial, document.Partition, document.Device,
	}
}
