package document

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"unsafe"

	"github.com/casshook/casshook/pkg/safefile"
)

// volumeFile carries a random id; what tells a copy of the volume apart is the
// file's own inode and birth time, and the block device below it.
const volumeFile = "volume-id"

// maxVolumeID is more than the file ever holds, in bytes.
const maxVolumeID = 4 << 10

// VolumeIdentity is the identity of a volume that carries an id file, or "" when
// it carries none: <id>:<inode>-<birth time>[-<device>]. A volume that was
// copied, restored from a snapshot or cloned has another identity than the one
// that was backed up: its id file was born at another time or lies on another
// device. A copy on block level keeps inode and birth time; there the name that
// the block device has in sysfs tells it apart, and where that is missing the
// inventory's volumeID must.
func VolumeIdentity(volume string) (string, error) {
	id, print, err := readMark(volume)
	if id == "" || err != nil {
		return "", err
	}
	name := id + ":" + print.name()
	if device := print.device.name(); device != "" {
		name += "-" + device
	}
	return name, nil
}

// readMark reads the id file and what the system says of it; the id is empty where
// there is no file.
func readMark(volume string) (id string, print fingerprint, err error) {
	path := VolumeFile(volume)
	content, err := safefile.New(volume).Read(path, maxVolumeID)
	if errors.Is(err, os.ErrNotExist) {
		return "", print, nil
	}
	if err != nil {
		return "", print, err
	}
	if !idText.Match(content) {
		return "", print, fmt.Errorf("identify volume %s: %s holds no id: remove this file", volume, path)
	}
	if print, err = fingerprintOf(path); err != nil {
		return "", print, fmt.Errorf("identify volume %s: %w", volume, err)
	}
	return strings.TrimSpace(string(content)), print, nil
}

var fileIdentity = regexp.MustCompile(`^([A-Z2-7]{26}):(\d+)-(\d+\.\d{9})(?:-(.*))?$`)

// idText is what MarkVolume writes.
var idText = regexp.MustCompile(`^[A-Z2-7]{26}\s*$`)

// IsFileIdentity tells an identity that VolumeIdentity made from one that the
// storage knows.
func IsFileIdentity(identity string) bool { return fileIdentity.MatchString(identity) }

// VolumeFile is the path of a volume's id file.
func VolumeFile(volume string) string { return filepath.Join(volume, Root, volumeFile) }

// MarkVolume gives a volume its id file where it has none.
func MarkVolume(files safefile.FS, volume string) error {
	path := VolumeFile(volume)
	if info, err := files.Lstat(path); err == nil && info.Mode().IsRegular() { // else it is replaced
		return nil
	}
	if err := files.MkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	return WriteFile(files, path, []byte(rand.Text()+"\n"))
}

// statx is the part of struct statx that is read here; see statx(2).
type statx struct {
	mask  uint32
	_     [7]uint32
	ino   uint64
	_     [3]uint64
	_     [2]uint64 // access time
	btime struct {
		sec  int64
		nsec uint32
		_    int32
	}
	_        [4]uint64 // change and modification time
	_        [2]uint32
	devMajor uint32
	devMinor uint32
	_        [14]uint64
}

// fingerprint is what the system says of a file and of the block device below it.
type fingerprint struct {
	inode, born string
	device      device
}

func (f fingerprint) name() string { return f.inode + "-" + f.born }

func fingerprintOf(path string) (fingerprint, error) {
	st, err := statOf(path)
	if err != nil {
		return fingerprint{}, err
	}
	if st.mask&statxBtime == 0 {
		return fingerprint{}, errors.New("the file system does not record birth times: set volumeID for this volume in the inventory")
	}
	return fingerprint{st.inode(), st.born(), st.device()}, nil
}

const (
	statxBtime = 0x800
	statxBasic = 0x7ff
	atFDCWD    = -0x64
)

func statOf(path string) (st statx, err error) {
	name, err := syscall.BytePtrFromString(path)
	if err != nil {
		return st, err
	}
	dirfd := atFDCWD
	_, _, errno := syscall.Syscall6(sysStatx, uintptr(dirfd), uintptr(unsafe.Pointer(name)), 0,
		statxBasic|statxBtime, uintptr(unsafe.Pointer(&st)), 0)
	if errno != 0 {
		return st, errno
	}
	return st, nil
}

func (st statx) inode() string { return fmt.Sprint(st.ino) }

func (st statx) born() string { return fmt.Sprintf("%d.%09d", st.btime.sec, st.btime.nsec) }

func (st statx) device() device {
	return deviceOf(fmt.Sprintf("/sys/dev/block/%d:%d", st.devMajor, st.devMinor))
}

// device is what the storage calls a block device: by the names of attributes, as far
// as sysfs has them.
type device map[string]string

// deviceFiles are the files of sysfs that name a device, with the attribute that each
// is; the first one of an attribute counts. A partition has its number, and the name of
// its disk.
func deviceFiles() [][2]string {
	return [][2]string{
		{"dm/uuid", DMUUID}, {"wwid", WWID}, {"device/wwid", WWID}, {"serial", Serial}, {"device/serial", Serial},
		{"../wwid", WWID}, {"../device/wwid", WWID}, {"../serial", Serial}, {"../device/serial", Serial}, {"partition", Partition},
	}
}

// deviceOf reads the device with a directory in sysfs. Where sysfs is not to be seen,
// nothing is known of it.
func deviceOf(dir string) device {
	d := device{}
	for _, f := range deviceFiles() {
		content, err := os.ReadFile(filepath.Join(dir, f[0]))
		if text := strings.Join(strings.Fields(string(content)), "_"); err == nil && text != "" && d[f[1]] == "" {
			d[f[1]] = text
		}
	}
	return d
}

// name is the attribute that stands for the device in a name: the first one there is.
func (d device) name() string {
	return cmp.Or(d[DMUUID], d[WWID], d[Serial])
}
