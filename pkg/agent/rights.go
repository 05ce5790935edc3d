package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/sstable"
)

// process is what an agent may do to the process that it is; an agent inside another
// program may do nothing.
type process struct {
	// become gives the process the user and group of Cassandra's files.
	become func(uid, gid int, keepRoot bool) error
	// end ends it.
	end func()
}

// lastGrace is how long what runs has to end after it was cancelled. Everything that an
// agent does may be killed at any point.
const lastGrace = 15 * time.Second

// endAfter ends the process some time after ctx ends: a system call may hang for ever, and
// the flock with it.
func endAfter(ctx context.Context, grace time.Duration, end func()) {
	if end != nil {
		context.AfterFunc(ctx, func() { time.AfterFunc(grace, end) })
	}
}

// asRoot are the attributes of a program that is started as the user that the agent was
// started as: a command for nodetool may need it, such as sudo or docker.
func asRoot() *syscall.Credential {
	if os.Geteuid() != 0 && os.Getuid() == 0 {
		return &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: true}
	}
	return nil
}

// dropRoot has an agent that was started as root work as the user that Cassandra's files
// belong to: what it makes is theirs, and what lies on the volume leads it to nothing that
// is not theirs. Where that cannot be done, for example in a container, it stays root.
func (n *node) dropRoot(become func(uid, gid int, keepRoot bool) error) error {
	o, ok := n.Owner()
	if become == nil || os.Geteuid() != 0 || !ok || o.UID == 0 {
		return nil
	}
	if err := n.prepareFor(o.UID); err != nil {
		return fmt.Errorf("node %s: give casshook's files to user %d: %w", n.Name, o.UID, err)
	}
	_ = become(o.UID, o.GID, n.API == "")
	return nil
}

// prepareFor leaves the user nothing to do that needs root: casshook's directories, where
// the one above is somebody else's. Beside a data directory a name proves nothing: what is
// there already stays as it is.
func (n *node) prepareFor(uid int) error {
	if err := n.Reown(); err != nil {
		return err
	}
	dirs, err := n.Dirs()
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		info, err := os.Stat(filepath.Dir(dir))
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != uid {
			if err := n.Files().MkdirAll(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkImports makes sure that Cassandra, which imports from them as its own user, may
// enter the directories of staged tables: a load comes after the TRUNCATE.
func (n *node) checkImports(restore string, tables []string) error {
	if n.API != "" { // files are linked into Cassandra's own directories
		return nil
	}
	for i := range n.DataDirs {
		root, err := n.stageRoot(restore, i)
		if err != nil {
			return err
		}
		for _, table := range tables {
			path := filepath.Join(root, table)
			if !n.Files().IsDir(path) {
				continue
			}
			blocked, err := n.Unreachable(path)
			if err != nil {
				return err
			}
			if blocked != "" {
				return &wire.Error{Kind: wire.KindRefused, Message: fmt.Sprintf(
					"directory %s: the user that the data directories belong to cannot enter it, and Cassandra imports from below it; nothing was truncated", blocked)}
			}
		}
	}
	return nil
}

// stagedName is a table's directory below that of a data directory.
func stagedName(keyspace, table, id string) string {
	return filepath.Join(keyspace, sstable.TableDir(table, id))
}
