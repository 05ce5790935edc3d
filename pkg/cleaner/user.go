package cleaner

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/safefile"
	"github.com/casshook/casshook/pkg/sstable"
)

// OtherUserError says that the files on the volume belong to another user than the
// one that the cleaner runs as. Nothing was changed.
type OtherUserError struct {
	Owner wire.Owner
	user  user
}

// Error implements error.
func (e *OtherUserError) Error() string {
	return fmt.Sprintf("the node's files belong to uid %d, gid %d, and the cleaner runs as uid %d, gid %d; run it as the owner of the files",
		e.Owner.UID, e.Owner.GID, e.user.uid, e.user.groups[0])
}

// user is whom the cleaner runs as; groups begin with the primary one.
type user struct {
	uid    int
	groups []int
}

func currentUser() user {
	groups, _ := os.Getgroups() // without them the primary group counts alone
	return user{os.Geteuid(), append([]int{os.Getegid()}, groups...)}
}

// check refuses the user of a volume whose files belong to another: leases and links
// need the owner of a file, and copies get its group. Root may do all of it, where it
// has its capabilities.
func (u user) check(volume string, dataDirs []string) error {
	if u.uid == 0 {
		return nil
	}
	owner, ok := u.ownerOf(volume, dataDirs)
	if !ok || owner.UID == u.uid && slices.Contains(u.groups, owner.GID) {
		return nil
	}
	return refuse("%w", &OtherUserError{owner, u})
}

// ownerOf is the owner of the node's files: of the first live Data.db, or of the
// deepest directory on the way to one, since a volume's root, and a data directory
// that is one, mostly belong to root. A directory of root that keeps u out is entered
// with its group.
func (u user) ownerOf(volume string, dataDirs []string) (wire.Owner, bool) {
	s := search{files: safefile.New(append([]string{volume}, dataDirs...)...)}
	s.see(volumeDepth, volume)
	for _, dir := range dataDirs {
		if s.see(dataDepth, dir) && s.dataDir(dir) {
			break
		}
	}
	if s.closed != nil && s.owner.UID == 0 {
		return wire.Owner{UID: u.uid, GID: s.closed.GID}, true
	}
	return s.owner, s.closed != nil || s.depth > dataDepth // a backup has more than data directories
}

// Depths of what an owner is seen of.
const (
	volumeDepth = iota + 1
	dataDepth
	keyspaceDepth
	tableDepth
	fileDepth
)

// search looks for the owner of the node's files.
type search struct {
	files safefile.FS
	owner wire.Owner
	// depth is that of what the owner was seen of; 0 before anything was.
	depth int
	// closed is the owner of the first directory that could not be read.
	closed *wire.Owner
}

// see notes the owner of a file or directory and tells whether it is there. Links are
// followed only where the directory was named by whoever runs the cleaner.
func (s *search) see(depth int, path string) bool {
	stat := s.files.Lstat
	if depth <= dataDepth {
		stat = os.Stat
	}
	info, err := stat(path)
	if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && depth > s.depth {
		s.owner, s.depth = wire.Owner{UID: int(st.Uid), GID: int(st.Gid)}, depth
	}
	if info.IsDir() && s.closed == nil && ok {
		const readAndSearch = 5
		if syscall.Access(path, readAndSearch) != nil {
			s.closed = &wire.Owner{UID: int(st.Uid), GID: int(st.Gid)}
		}
	}
	return ok
}

// dataDir tells whether it found a Data.db.
func (s *search) dataDir(dir string) bool {
	for _, keyspace := range s.directories(dir, storage.WordName.MatchString) {
		s.see(keyspaceDepth, keyspace)
		for _, table := range s.directories(keyspace, isTableDir) {
			s.see(tableDepth, table)
			if s.table(table) {
				return true
			}
		}
	}
	return false
}

func (s *search) table(dir string) bool {
	entries, _ := s.files.ReadDir(dir)
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasSuffix(e.Name(), "-"+sstable.Data) {
			return s.see(fileDepth, filepath.Join(dir, e.Name()))
		}
	}
	return false
}

func isTableDir(name string) bool {
	_, _, ok := sstable.ParseTableDir(name)
	return ok
}

// directories are those in a directory whose names fit, as far as it can be read.
func (s *search) directories(dir string, fits func(string) bool) []string {
	entries, _ := s.files.ReadDir(dir)
	var found []string
	for _, e := range entries {
		if e.Type()&fs.ModeType == fs.ModeDir && fits(e.Name()) {
			found = append(found, filepath.Join(dir, e.Name()))
		}
	}
	return found
}
