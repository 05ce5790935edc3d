package cleaner

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent"
	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
)

const (
	testID    = "casshook-20261121T101530Z-4f2a"
	otherID   = "casshook-20261122T101530Z-4f2b"
	restoreNo = "00112233445566aa"
)

// none is the argument or result of operations that have none.
type none struct{}

// client speaks to an agent that runs in this process.
type client struct {
	t    *testing.T
	in   *json.Encoder
	out  *json.Decoder
	next int
}

// open starts an agent that has been told of its node.
func open(t *testing.T, n wire.Node) *client {
	t.Helper()
	stdin, in := io.Pipe()
	out, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- agent.Serve(t.Context(), stdin, stdout)
		stdout.Close()
	}()
	t.Cleanup(func() {
		in.Close()
		_, _ = io.Copy(io.Discard, out)
		<-ended
	})
	c := &client{t: t, in: json.NewEncoder(in), out: json.NewDecoder(out)}
	_, err := ask[wire.HelloResult](c, wire.OpHello, wire.Hello{Protocol: wire.Protocol, Node: n})
	require.NoError(t, err)
	return c
}

// ask sends a request and waits for its result.
func ask[R any](c *client, op string, args any) (R, error) {
	c.t.Helper()
	var result R
	data, err := json.Marshal(args)
	require.NoError(c.t, err)
	c.next++
	require.NoError(c.t, c.in.Encode(wire.Request{ID: c.next, Op: op, Args: data}))
	for {
		var r wire.Response
		require.NoError(c.t, c.out.Decode(&r))
		switch {
		case r.Event != nil:
			continue
		case r.Error != nil:
			return result, r.Error
		}
		require.NoError(c.t, json.Unmarshal(r.Result, &result))
		return result, nil
	}
}

// hold opens an agent that has the lock of its volume.
func hold(t *testing.T, n wire.Node) *client {
	t.Helper()
	c := open(t, n)
	require.NoError(t, c.lock(wire.LockAcquire, "me"))
	return c
}

func (c *client) lock(action, holder string) error {
	_, err := ask[none](c, wire.OpLock, wire.LockArgs{Action: action, Holder: holder, Operation: "test", BackupID: testID, ParkedFor: time.Hour})
	return err
}

// tree lists all files and directories below a directory, but for our flock.
func tree(t testing.TB, dir string) []string {
	t.Helper()
	var found []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if name != "." && filepath.Base(name) != storage.FlockFile {
			found = append(found, name)
		}
		return err
	}))
	return found
}
