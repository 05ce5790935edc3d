package cleaner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/safefile"
	"github.com/casshook/casshook/pkg/sstable"
)

// Of fcntl(2): a write lease is granted only while nobody else in the whole
// machine has the file open or mapped, whatever container he is in.
const (
	fcntlSetLease = 1024
	leaseWrite    = 1
	leaseNone     = 2
)

// Somebody who looks at a file for a moment is not Cassandra, which keeps its
// files open.
const (
	leaseLimit = 200 * time.Millisecond
	leasePause = 20 * time.Millisecond
)

// Errors of a lease.
var (
	errOpenElsewhere = errors.New("file is open in another process")
	errNoLeases      = errors.New("file system does not support leases")
)

// takeLease takes a write lease on a file and gives it back.
func (c *cleaner) takeLease(ctx context.Context, path string) error {
	f, err := c.disk.files.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return leaseOf(ctx, f, path)
}

func leaseOf(ctx context.Context, f *os.File, path string) error {
	w := flow.Waiting{For: path + " to be closed", Limit: leaseLimit, Every: leasePause}
	err := flow.Wait(ctx, w, func(context.Context) (string, error) {
		switch errno := setLease(f, leaseWrite); errno {
		case 0:
			_ = setLease(f, leaseNone) // closing gives it back, too
			return "", nil
		case syscall.EAGAIN:
			return errOpenElsewhere.Error(), nil
		case syscall.EACCES:
			return "", fmt.Errorf("lease %s: %w; run the cleaner as the owner of the file", path, errno)
		default:
			return "", fmt.Errorf("lease %s: %w: %w", path, errNoLeases, errno)
		}
	})
	if errors.Is(err, flow.ErrLimit) {
		return fmt.Errorf("%s: %w", path, errOpenElsewhere)
	}
	return err
}

func setLease(f *os.File, kind uintptr) syscall.Errno {
	_, _, errno := syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), fcntlSetLease, kind)
	return errno
}

// checkStopped makes sure that no process has the node's files open: Cassandra
// has its commit log and the Data.db of all its SSTables, always.
func (c *cleaner) checkStopped(ctx context.Context) error {
	files, err := c.keptOpen()
	if err != nil {
		return flow.Fail(flow.Precondition, err)
	}
	unknown := 0
	for _, path := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := c.lease(ctx, path)
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist):
		case errors.Is(err, errOpenElsewhere):
			return refuse("%w: Cassandra is running on this volume; stop it first", err)
		case errors.Is(err, errNoLeases) && c.AssumeStopped:
			unknown++
		case errors.Is(err, errNoLeases):
			return refuse("cannot check whether Cassandra is running: %w. If you are sure that it is stopped, use --assume-stopped", err)
		default:
			return flow.Fail(flow.Precondition, err)
		}
	}
	c.say("Cassandra is stopped: none of its %d files is open", len(files)-unknown)
	return nil
}

// keptOpen lists the files that a running Cassandra has open: those to empty and
// every live Data.db, but for those of snapshots.
func (c *cleaner) keptOpen() ([]string, error) {
	var files []string
	for _, d := range c.clear {
		entries, err := c.disk.files.ReadDir(d.path)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.Type().IsRegular() && d.files.MatchString(e.Name()) {
				files = append(files, filepath.Join(d.path, e.Name()))
			}
		}
	}
	for _, dataDir := range c.Data {
		tables, err := tableDirs(c.disk.files, dataDir)
		if err != nil {
			return nil, err
		}
		for _, dir := range tables {
			found, err := liveData(c.disk.files, dir, true)
			if err != nil {
				return nil, err
			}
			files = append(files, found...)
		}
	}
	return files, nil
}

// liveData lists the Data.db files in a table's directory and in its indexes'.
func liveData(in safefile.FS, dir string, indexes bool) ([]string, error) {
	entries, err := in.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case e.Type().IsRegular() && strings.HasSuffix(e.Name(), "-"+sstable.Data):
			files = append(files, path)
		case e.IsDir() && indexes && storage.IndexDir.MatchString(e.Name()):
			found, err := liveData(in, path, false)
			if err != nil {
				return nil, err
			}
			files = append(files, found...)
		}
	}
	return files, nil
}

// tableDirs lists the table directories of a data directory: directories of their
// own, by their form, in directories named like keyspaces.
func tableDirs(in safefile.FS, dataDir string) ([]string, error) {
	var dirs []string
	keyspaces, err := in.ReadDir(dataDir)
	if err != nil {
		return nil, err
	}
	for _, ks := range keyspaces {
		if !ks.IsDir() || !storage.WordName.MatchString(ks.Name()) {
			continue
		}
		tables, err := in.ReadDir(filepath.Join(dataDir, ks.Name()))
		if err != nil {
			return nil, err
		}
		for _, t := range tables {
			if _, _, ok := sstable.ParseTableDir(t.Name()); ok && t.IsDir() {
				dirs = append(dirs, filepath.Join(dataDir, ks.Name(), t.Name()))
			}
		}
	}
	return dirs, nil
}
