// Package storage is what the agent and the cleaner share of a node's volumes: who
// works on them, the files of restores, names and inodes of Cassandra's files.
package storage

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/safefile"
)

// FlockFile keeps two agents from changing one volume at once.
const FlockFile = ".agent-lock"

// Volumes are those of one node: the one that carries casshook's documents, and
// the data directories, which may lie on others.
type Volumes struct {
	wire.Node
	flock *os.File
}

// Dir is casshook's directory on the volume.
func (v *Volumes) Dir() string { return filepath.Join(v.Volume, document.Root) }

// Files reaches what lies on the volume and in the data directories. What it makes has
// the owner and the mode of the first data directory, since Cassandra reads of it.
func (v *Volumes) Files() safefile.FS {
	roots := append([]string{v.Volume}, v.DataDirs...)
	for _, dir := range v.DataDirs { // files are staged beside a data directory on another file system
		roots = append(roots, filepath.Dir(dir))
	}
	files := safefile.New(roots...)
	if len(v.DataDirs) == 0 {
		return files
	}
	info, err := os.Stat(v.DataDirs[0])
	if err != nil { // newNode and the cleaner looked; what is done in it fails and says so
		return files
	}
	return files.Like(info)
}

// Ledger is the records of restores on the volume.
func (v *Volumes) Ledger() ledger.Store { return ledger.Store{Files: v.Files(), Root: v.Dir()} }

// Inspect reads what lies on the volume, but for its free space.
func (v *Volumes) Inspect() (ledger.Volume, error) {
	found, err := v.Identified()
	if err != nil {
		return found, err
	}
	ids, err := document.List(v.Volume)
	if err != nil {
		return found, err
	}
	for _, id := range ids {
		found.Backups = append(found.Backups, v.backup(id))
	}
	found.Archived = v.Ledger().Archived()
	found.History = v.Ledger().History()
	if found.Restores, err = v.Ledger().Restores(); err != nil {
		return found, err
	}
	found.Orphans, err = v.orphans(found)
	return found, err
}

// orphans are tags that neither a backup nor a restore is known to.
func (v *Volumes) orphans(found ledger.Volume) ([]ledger.Orphan, error) {
	tags, err := document.Tags(v.DataDirs)
	if err != nil {
		return nil, err
	}
	for _, b := range found.Backups {
		delete(tags, b.ID)
	}
	for _, r := range found.Restores {
		if r.Stage.Unfinished() {
			delete(tags, r.BackupID)
		}
	}
	var orphans []ledger.Orphan
	for _, tag := range slices.Sorted(maps.Keys(tags)) {
		orphans = append(orphans, ledger.Orphan{Tag: tag, Directories: tags[tag], Documents: v.DocumentsElsewhere(tag)})
	}
	return orphans, nil
}

// DocumentsElsewhere is where the documents of a backup are that are not on the volume,
// but in a directory above a data directory: a target that names another volume than
// the one that the backup was made with must not take its snapshots for nobody's.
func (v *Volumes) DocumentsElsewhere(tag string) string {
	volume, err := os.Stat(v.Volume)
	if err != nil {
		return ""
	}
	for _, dataDir := range v.DataDirs {
		for dir := filepath.Clean(dataDir); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			info, err := os.Stat(dir)
			if err != nil || os.SameFile(info, volume) {
				continue
			}
			if found := document.BackupDir(dir, tag); safefile.New(dir).IsDir(found) {
				return found
			}
		}
	}
	return ""
}

func (v *Volumes) backup(id string) ledger.Backup {
	b := ledger.Backup{ID: id}
	var intent document.Intent
	if err := document.Read(v.Files(), filepath.Join(document.BackupDir(v.Volume, id), document.IntentFile), &intent); err != nil {
		b.Problem = err.Error()
	}
	b.Volume, b.Attributes, b.Started, b.Owner = intent.Volume, intent.Attributes, intent.Started, intent.Owner
	doc, err := document.Open(v.Volume, id, v.DataDirs)
	switch {
	case errors.Is(err, document.ErrIncomplete):
	case err != nil:
		b.Complete = true // it claims to be: what is wrong with it must be told
		b.Problem = strings.TrimSpace(err.Error())
	default:
		b.Complete, b.Volume, b.Attributes, b.WindowMS = true, doc.Node.Volume, doc.Node.Attributes, doc.Cluster.Skew.TotalMS
	}
	return b
}

// Identity is the volume's identity: what the target says, or the id file's.
func (v *Volumes) Identity() (string, error) {
	if v.VolumeID != "" {
		return v.VolumeID, nil
	}
	return document.VolumeIdentity(v.Volume)
}

// Attributes are all that is known of the volume's identity.
func (v *Volumes) Attributes() (document.Attributes, error) {
	return document.VolumeAttributes(v.Volume, v.VolumeID)
}

// Identified is the volume as far as its identity goes.
func (v *Volumes) Identified() (found ledger.Volume, err error) {
	if found.Identity, err = v.Identity(); err != nil {
		return found, err
	}
	found.Attributes, err = v.Attributes()
	return found, err
}

// Hold takes the flock that an agent has while it may change a volume. A
// dead agent has none, so a lock file without one has lost its holder.
func (v *Volumes) Hold() error {
	if v.flock != nil {
		return nil
	}
	files := v.Files()
	if err := files.MkdirAll(v.Dir()); err != nil {
		return err
	}
	f, err := files.Append(v.FlockPath())
	if err != nil {
		return err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	for range probes { // who only looks whether somebody has it is gone at once
		if err == nil {
			break
		}
		time.Sleep(probePause)
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		f.Close()
		return &wire.Error{Kind: wire.KindLocked, Message: "locked by another agent: " + v.Volume}
	}
	v.flock = f
	return nil
}

// probes are how often Hold tries again after a pause.
const (
	probes     = 4
	probePause = 25 * time.Millisecond
)

// Abandoned tells whether no agent has the flock, so that a lock file beside it has lost its holder.
func (v *Volumes) Abandoned() bool {
	if v.flock != nil {
		return false
	}
	f, err := os.Open(v.FlockPath())
	if err != nil {
		return os.IsNotExist(err)
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil
}

// FlockPath is the file that Hold locks.
func (v *Volumes) FlockPath() string { return filepath.Join(v.Dir(), FlockFile) }

// Held tells whether Hold took the flock.
func (v *Volumes) Held() bool { return v.flock != nil }

// Close gives the flock back.
func (v *Volumes) Close() {
	if v.flock != nil {
		v.flock.Close()
		v.flock = nil
	}
}

// OrNotDir is the error of a stat, or that what is there is no directory.
func OrNotDir(err error) error {
	if err == nil {
		return errors.New("not a directory")
	}
	return err
}

// Syncfs makes the file system that holds dir durable; see syncfs(2).
func Syncfs(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if _, _, errno := syscall.Syscall(sysSyncfs, d.Fd(), 0, 0); errno != 0 {
		return fmt.Errorf("syncfs %s: %w", dir, errno)
	}
	return nil
}
