package document

import (
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
	path := VolumeFile(volume)
	id, err := safefile.New(volume).Read(path, maxVolumeID)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if !idText.Match(id) {
		return "", fmt.Errorf("identify volume %s: %s holds no id: remove this file", volume, path)
	}
	print, err := fingerprint(path)
	if err != nil {
		return "", fmt.Errorf("identify volume %s: %w", volume, err)
	}
	return strings.TrimSpace(string(id)) + ":" + print, nil
}

var fileIdentity = regexp.MustCompile(`^[A-Z2-7]{26}:\d+-\d+\.\d{9}(-|$)`)

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

func fingerprint(path string) (string, error) {
	const (
		statxBtime = 0x800
		statxBasic = 0x7ff
		atFDCWD    = -0x64
	)
	name, err := syscall.BytePtrFromString(path)
	if err != nil {
		return "", err
	}
	var st statx
	dirfd := atFDCWD
	_, _, errno := syscall.Syscall6(sysStatx, uintptr(dirfd), uintptr(unsafe.Pointer(name)), 0,
		statxBasic|statxBtime, uintptr(unsafe.Pointer(&st)), 0)
	if errno != 0 {
		return "", errno
	}
	if st.mask&statxBtime == 0 {
		return "", errors.New("the file system does not record birth times: set volumeID for this volume in the inventory")
	}
	print := fmt.Sprintf("%d-%d.%09d", st.ino, st.btime.sec, st.btime.nsec)
	if device := deviceName(st.devMajor, st.devMinor); device != "" {
		print += "-" + device
	}
	return print, nil
}

// deviceName is what the storage calls a block device, where sysfs tells.
func deviceName(major, minor uint32) string {
	base := fmt.Sprintf("/sys/dev/block/%d:%d", major, minor)
	for _, file := range []string{"dm/uuid", "wwid", "device/wwid", "serial", "device/serial", "../wwid", "../device/wwid", "../serial"} {
		data, err := os.ReadFile(filepath.Join(base, file))
		if err == nil && len(strings.TrimSpace(string(data))) > 0 {
			return strings.Join(strings.Fields(string(data)), "_")
		}
	}
	return ""
}
