package cassandra

import (
	"os"
	"syscall"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/safefile"
)

// memory is where Linux keeps files in memory.
const memory = "/dev/shm"

// room is what a ring of the lab may need, in bytes.
const room = 6 << 30

// Scratch is a directory for rings that are soon gone: memory where there is
// room, since most of a schema change's time is spent in fsync, and else the
// directory for temporary files.
func Scratch() string {
	var st syscall.Statfs_t
	if err := syscall.Statfs(memory, &st); err != nil || st.Bavail*uint64(st.Bsize) < room || !tellsCopies(memory) {
		return os.TempDir()
	}
	return memory
}

// tellsCopies tries whether a file system keeps the birth times of files, by
// which a copy of a volume is told from the original.
func tellsCopies(dir string) bool {
	probe, err := os.MkdirTemp(dir, "probe")
	if err != nil {
		return false
	}
	defer os.RemoveAll(probe)
	if document.MarkVolume(safefile.New(probe), probe) != nil {
		return false
	}
	_, err = document.VolumeIdentity(probe)
	return err == nil
}
