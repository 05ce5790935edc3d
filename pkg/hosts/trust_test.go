package hosts

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/cql"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// login answers as a node that asks for a password, and hands over all that it reads.
func login(conn net.Conn, seen chan<- []byte) {
	reply := func(head []byte, op byte, body []byte) {
		out := binary.BigEndian.AppendUint32([]byte{0x84, 0, head[2], head[3], op}, uint32(len(body)))
		_, _ = conn.Write(append(out, body...))
	}
	var all []byte
	defer func() { seen <- all }()
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[5:]))
		if _, err := io.ReadFull(conn, body); err != nil {
			return
		}
		all = append(all, body...)
		switch head[4] {
		case 5: // OPTIONS
			reply(head, 6, []byte{0, 0})
		case 1: // STARTUP
			class := "org.apache.cassandra.auth.PasswordAuthenticator"
			reply(head, 3, append(binary.BigEndian.AppendUint16(nil, uint16(len(class))), class...))
		case 15: // AUTH_RESPONSE
			_ = conn.Close()
			return
		}
	}
}

// elsewhere is a connection whose other end is on another machine.
type elsewhere struct {
	net.Conn
	remote net.Addr
}

func (e elsewhere) RemoteAddr() net.Addr { return e.remote }

func secretInventory(t *testing.T, address string, plaintext bool) Inventory {
	t.Helper()
	dir := t.TempDir()
	files := &CredentialFiles{UsernameFile: filepath.Join(dir, "user"), PasswordFile: filepath.Join(dir, "password")}
	require.NoError(t, os.WriteFile(files.UsernameFile, []byte("super"), 0o600))
	require.NoError(t, os.WriteFile(files.PasswordFile, []byte("hunter2"), 0o600))
	return Inventory{Credentials: files, CQLPlaintext: plaintext, Nodes: []Host{{Name: "n1", Address: address}}}
}

// The password never crosses the network in clear unless the inventory allows it, whatever name leads to the other machine.
func TestPasswordOnTheWire(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		remote    string
		plaintext bool
		crosses   bool
	}{
		"another machine": {"203.0.113.9", false, false}, "another machine, IPv6": {"2001:db8::1", false, false}, "this machine": {"127.0.0.1", false, true},
		"this machine, IPv6": {"::1", false, true}, "allowed": {"203.0.113.9", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target, err := newTarget(secretInventory(t, "localhost", c.plaintext))
			require.NoError(t, err)
			seen := make(chan []byte, 8)
			target.dial = func(context.Context, string, string) (net.Conn, error) {
				here, there := net.Pipe()
				go login(there, seen)
				return elsewhere{here, &net.TCPAddr{IP: net.ParseIP(c.remote), Port: 9042}}, nil
			}
			credentials, err := target.Credentials(t.Context())
			require.NoError(t, err)
			node := ring.Node{Node: wire.Node{Name: "n1"}, Address: "localhost", CQLPort: 9042}
			_, err = cql.Connect(t.Context(), target, node, credentials)
			require.Error(t, err)
			require.Equal(t, c.crosses, bytes.Contains(<-seen, []byte("hunter2")))
			if !c.crosses {
				require.Equal(t, flow.Precondition, flow.CodeOf(err))
			}
		})
	}
}

func TestPlaintextIsAskedFor(t *testing.T) {
	t.Parallel()
	for address, refused := range map[string]bool{
		"127.0.0.1": false, "127.3.2.1": false, "::1": false, "localhost": false, "10.0.0.1": true, "db1": true, "localhost.example.com": true, "0.0.0.0": true, "::ffff:10.0.0.1": true,
	} {
		inv := secretInventory(t, address, false)
		target, err := newTarget(inv)
		require.NoError(t, err)
		_, err = target.Credentials(t.Context())
		require.Equal(t, refused, err != nil, address)
		if refused {
			require.Equal(t, flow.Precondition, flow.CodeOf(err))
			require.ErrorContains(t, err, "cqlPlaintext: true")
			require.NotContains(t, err.Error(), "hunter2")
		}
		inv.CQLPlaintext = true
		target, err = newTarget(inv)
		require.NoError(t, err)
		_, err = target.Credentials(t.Context())
		require.NoError(t, err)
	}
	target, err := newTarget(Inventory{Nodes: []Host{{Name: "n1", Address: "10.0.0.1"}}})
	require.NoError(t, err)
	_, err = target.Credentials(t.Context())
	require.NoError(t, err, "no password, nothing to protect")
}

func TestFilesOfOthers(t *testing.T) {
	t.Parallel()
	mine := os.Geteuid()
	for name, c := range map[string]struct {
		mode    os.FileMode
		owner   int
		secrecy secrecy
		refused string
	}{
		"inventory that all read":       {0o644, mine, unchanged, ""},
		"inventory of root":             {0o644, 0, unchanged, ""},
		"inventory that a group writes": {0o664, mine, unchanged, "chmod go-w"},
		"inventory that all write":      {0o646, mine, unchanged, "others can change it"},
		"inventory of another":          {0o600, mine + 7, unchanged, "must belong to root"},
		"password":                      {0o600, mine, unread, ""},
		"password that a group writes":  {0o620, mine, unread, "chmod 600"},
		"password that all read":        {0o604, mine, unread, "others can read or change it"},
		"password of root for a group":  {0o640, 0, unread, ""},
		"password of root for all":      {0o644, 0, unread, "others can read"},
		"password of another":           {0o600, mine + 7, unread, "must belong to root"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := checkFile("/f", info{mode: c.mode, owner: uint32(c.owner)}, c.secrecy)
			if c.refused == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.refused)
		})
	}
	if mine != 0 { // to root every file of root's is its own
		require.ErrorContains(t, checkFile("/f", info{mode: 0o640, owner: uint32(mine)}, unread), "chmod 600")
	}
}

type info struct {
	os.FileInfo
	mode  os.FileMode
	owner uint32
}

func (i info) Mode() os.FileMode { return i.mode }
func (i info) Sys() any          { return &syscall.Stat_t{Uid: i.owner} }

func TestReadTrusted(t *testing.T) {
	t.Parallel()
	open := filepath.Join(t.TempDir(), "open")
	require.NoError(t, os.Mkdir(open, 0o700))
	require.NoError(t, os.Chmod(open, 0o777))
	path := inventoryFile(t, goodInventory)
	_, err := Load(path)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(path, 0o666))
	_, err = Load(path)
	require.ErrorContains(t, err, "others can change it: chmod go-w "+path)
	require.Equal(t, flow.Precondition, flow.CodeOf(err))

	replaceable := filepath.Join(open, "inventory.yaml")
	require.NoError(t, os.WriteFile(replaceable, []byte(goodInventory), 0o600))
	_, err = Load(replaceable)
	require.ErrorContains(t, err, "anybody can replace inventory.yaml in it")
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(replaceable, link))
	_, err = Load(link)
	require.ErrorContains(t, err, "anybody can replace inventory.yaml in it", "a link does not hide it")
	require.NoError(t, os.Chmod(open, 0o777|os.ModeSticky))
	_, err = Load(replaceable)
	require.NoError(t, err, "as in /tmp nobody can")

	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	_, err = Load(pipe)
	require.ErrorContains(t, err, "is not a regular file")
	_, err = Load("/dev/null")
	require.ErrorContains(t, err, "is not a regular file")
	_, err = Load(inventoryFile(t, strings.Repeat("#", mostOfAFile+1)))
	require.ErrorContains(t, err, "is larger than 4 MiB")
	_, err = Load(inventoryFile(t, strings.Replace(goodInventory, "cqlPort: 9142", "cqlPort: 70000", 1)))
	require.ErrorContains(t, err, "cqlPort is 70000: must be from 1 to 65535")
}

func TestPasswordFileThatOthersRead(t *testing.T) {
	t.Parallel()
	inv := secretInventory(t, "127.0.0.1", false)
	require.NoError(t, os.Chmod(inv.Credentials.PasswordFile, 0o664))
	target, err := newTarget(inv)
	require.NoError(t, err)
	_, err = target.Credentials(t.Context())
	require.ErrorContains(t, err, "others can read or change it: chmod 600 "+inv.Credentials.PasswordFile)
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.NotContains(t, err.Error(), "hunter2")
}
