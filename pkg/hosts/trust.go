package hosts

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/casshook/casshook/pkg/flow"
)

// secrecy is what a file must be safe from.
type secrecy bool

const (
	// unchanged: others must not write the file. An inventory names commands that are run.
	unchanged secrecy = false
	// unread: others must not read it, either.
	unread secrecy = true
)

// mostOfAFile is far above any inventory of a ring.
const mostOfAFile = 4 << 20

// readTrusted reads a regular file that nobody but its owner, who is this user or root, decides on.
func readTrusted(path string, s secrecy) ([]byte, error) {
	// Opening a FIFO would wait for whoever writes to it.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if err := errors.Join(checkFile(path, info, s), checkDirectory(path)); err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	content, err := io.ReadAll(io.LimitReader(f, mostOfAFile+1))
	if len(content) > mostOfAFile {
		return nil, fmt.Errorf("%s is larger than %d MiB", path, mostOfAFile>>20)
	}
	return content, err
}

// checkFile compares owner and mode. Root may let a group read a secret, as it does for
// services that run as another user.
func checkFile(path string, info os.FileInfo, s secrecy) error {
	mode, owner := info.Mode().Perm(), ownerOf(info)
	var problems []error
	if owner != 0 && owner != os.Geteuid() {
		problems = append(problems, fmt.Errorf("%s belongs to user %d, who can change it: it must belong to root or to the user who runs casshook (user %d)", path, owner, os.Geteuid()))
	}
	allowed, fix := os.FileMode(0o755), "go-w"
	if s == unread {
		allowed, fix = 0o700, "600"
		if owner == 0 {
			allowed = 0o740
		}
	}
	if mode&^allowed&0o077 != 0 {
		what := "others can change it"
		if s == unread {
			what = "others can read or change it"
		}
		problems = append(problems, fmt.Errorf("%s has mode %04o, so %s: chmod %s %s", path, mode, what, fix, path))
	}
	return errors.Join(problems...)
}

// checkDirectory finds out whether anybody could put another file in its place.
func checkDirectory(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	dir := filepath.Dir(real)
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o002 != 0 && info.Mode()&os.ModeSticky == 0 {
		return fmt.Errorf("directory %s has mode %04o, so anybody can replace %s in it: chmod o-w %s", dir, info.Mode().Perm(), filepath.Base(real), dir)
	}
	return nil
}

func ownerOf(info os.FileInfo) int {
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(sys.Uid)
	}
	return -1
}

// checkPlaintext refuses to send a password in clear to another machine, unless the inventory allows it.
func (t *Target) checkPlaintext() error {
	if t.inventory.CQLPlaintext {
		return nil
	}
	var problems []error
	for _, h := range t.inventory.Nodes {
		if !isLoopback(h.Address) {
			problems = append(problems, t.inClear(h.Name, h.Address))
		}
	}
	return flow.Fail(flow.Precondition, errors.Join(problems...))
}

func (t *Target) inClear(node, address string) error {
	return flow.Failf(flow.Precondition, "node %s: CQL on hosts has no TLS, and the password of %s would cross the network to %s in clear: "+
		"run casshook where the address is a loopback one (an SSH tunnel, for example), or set cqlPlaintext: true in the inventory if the network is trusted",
		node, t.inventory.Credentials.PasswordFile, address)
}

// isLoopback is for addresses and for the one name that cannot be another machine's. What other names lead to is
// seen when the connection is there.
func isLoopback(address string) bool {
	ip := net.ParseIP(address)
	return address == "localhost" || (ip != nil && ip.IsLoopback())
}

// checkConnection is checkPlaintext for where a connection really leads.
func (t *Target) checkConnection(node string, conn net.Conn) error {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if t.inventory.Credentials == nil || t.inventory.CQLPlaintext || (ok && tcp.IP.IsLoopback()) {
		return nil
	}
	return t.inClear(node, conn.RemoteAddr().String())
}
