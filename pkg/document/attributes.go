package document

import (
	"maps"
	"regexp"
)

// Attributes are all that is known of a volume's identity, by name. An attribute that
// is missing was not to be seen, and says nothing.
type Attributes map[string]string

// Names of attributes.
const (
	// Given is what people say that the storage calls the volume.
	Given = "given"
	// Claim is the UID of the PersistentVolumeClaim, PersistentVolume the name of its
	// volume.
	Claim            = "claim"
	PersistentVolume = "persistentVolume"
	// MarkID is the text of the id file; MarkInode and MarkBorn are the file's own.
	MarkID    = "file"
	MarkInode = "inode"
	MarkBorn  = "born"
	// RootInode and RootBorn are those of the volume's own directory.
	RootInode = "rootInode"
	RootBorn  = "rootBorn"
	// DMUUID, WWID and Serial are those of the block device, Partition is its number
	// on the disk that they name.
	DMUUID    = "dmUUID"
	WWID      = "wwid"
	Serial    = "serial"
	Partition = "partition"
	// Device is one of the names of the block device, of a document that does not say
	// which.
	Device = "device"
)

// attributesField names the field in documents, which readers of format 1.0 may ignore.
const attributesField = "volumeAttributes"

// Recorded are the minor and the ignorable fields of a document with attributes.
func (a Attributes) Recorded() (minor int, ignorable []string) {
	if len(a) == 0 {
		return 0, nil
	}
	const attributesMinor = 1
	return attributesMinor, []string{attributesField}
}

var claimIdentity = regexp.MustCompile(`^pvc/([^/]+)/([^/]+)$`)

// ParseIdentity is what an identity says as it stands in documents of earlier releases:
// one text for everything.
func ParseIdentity(identity string) Attributes {
	if identity == "" {
		return nil
	}
	if claim := claimIdentity.FindStringSubmatch(identity); claim != nil {
		return Attributes{Claim: claim[1], PersistentVolume: claim[2]}
	}
	if file := fileIdentity.FindStringSubmatch(identity); file != nil {
		a := Attributes{MarkID: file[1], MarkInode: file[2], MarkBorn: file[3]}
		if file[4] != "" {
			a[Device] = file[4]
		}
		return a
	}
	return Attributes{Given: identity}
}

// VolumeAttributes are all that is known of a volume: what somebody says of it, what its
// id file tells and what its device is called. Where somebody says what it is, an id
// file that cannot be read is none.
func VolumeAttributes(volume, given string) (Attributes, error) {
	a := ParseIdentity(given)
	if given != "" && a[Claim] == "" {
		a = Attributes{Given: given}
	}
	id, print, err := readMark(volume)
	switch {
	case err != nil && given == "":
		return nil, err
	case a == nil:
		a = Attributes{}
	}
	if err == nil && id != "" {
		a[MarkID], a[MarkInode], a[MarkBorn] = id, print.inode, print.born
	}
	root, err := statOf(volume)
	if err != nil {
		return a, nil //nolint:nilerr // what cannot be seen is left out
	}
	maps.Copy(a, root.device())
	if root.mask&statxBtime != 0 {
		a[RootInode], a[RootBorn] = root.inode(), root.born()
	}
	return a, nil
}
