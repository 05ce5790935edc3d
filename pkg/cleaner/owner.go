package cleaner

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/casshook/casshook/pkg/agent/wire"
)

// dropRoot has a cleaner that was started as root go on as the owner of the node's files,
// before it changes any: what lies on the volume leads it to nothing that is not theirs.
// Where what is to be done needs root, since the files belong to several users, it stays.
func (c *cleaner) dropRoot(context.Context) error {
	if c.Become == nil || os.Geteuid() != 0 {
		return nil
	}
	owner, ok := currentUser().ownerOf(c.Volume, c.Data)
	if !ok || owner.UID == 0 {
		return nil
	}
	other, err := c.othersFile(owner)
	if err != nil {
		return err
	}
	if other != "" {
		c.say("working as root: %s does not belong to uid %d, gid %d, as other files of the node do", other, owner.UID, owner.GID)
		return nil
	}
	if err := c.node.Reown(); err != nil {
		return fmt.Errorf("give casshook's files to uid %d: %w", owner.UID, err)
	}
	if err := c.Become(owner.UID, owner.GID); err != nil {
		c.say("working as root: %v", err) // as in a container that may not
		return nil
	}
	c.say("working as uid %d, gid %d", owner.UID, owner.GID)
	return c.mayChange(c.plan)
}

// othersFile names a file or directory that the plan needs and that is not the owner's,
// "" if there is none.
func (c *cleaner) othersFile(owner wire.Owner) (string, error) {
	files, err := c.keptOpen() // leases need the owner
	if err != nil {
		return "", err
	}
	dirs, placed := c.plan.needs()
	for _, check := range []struct {
		paths []string
		stat  func(string) (fs.FileInfo, error)
	}{{dirs, c.disk.files.Stat}, {append(files, placed...), c.disk.files.Lstat}} {
		for _, path := range check.paths {
			info, err := check.stat(path)
			if err != nil {
				return "", err
			}
			if st, ok := info.Sys().(*syscall.Stat_t); ok && (int(st.Uid) != owner.UID || int(st.Gid) != owner.GID) {
				return path, nil
			}
		}
	}
	return "", nil
}

// needs lists the directories that change, and the files that get a second name.
func (p *cleanPlan) needs() (dirs, files []string) {
	for _, d := range p.dirs {
		if d.create || d.drop {
			dirs = append(dirs, filepath.Dir(d.path))
		}
		if len(d.remove)+len(d.place) > 0 && !d.create {
			dirs = append(dirs, d.path)
		}
		for _, name := range d.place {
			files = append(files, d.from[name].path)
		}
	}
	return dirs, files
}
