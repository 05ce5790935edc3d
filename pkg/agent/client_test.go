package agent

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
)

const (
	testID    = "casshook-20261121T101530Z-4f2a"
	otherID   = "casshook-20261122T101530Z-4f2b"
	tableOne  = "0123456789abcdef0123456789abcdef"
	tableTwo  = "fedcba9876543210fedcba9876543210"
	restoreNo = "00112233445566aa"
	patience  = 20 * time.Second
)

// TestMain serves as nodetool when the fake nodetool re-executes this binary.
func TestMain(m *testing.M) {
	if dir := os.Getenv(fakeNodetoolVar); dir != "" {
		os.Exit(fakeNodetool(dir, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// client speaks to an agent that runs in this process.
type client struct {
	t      *testing.T
	in     *io.PipeWriter
	out    *json.Decoder
	ended  chan error
	next   int
	events []wire.Event
}

// start runs an agent with a silence; its end is waited for.
func start(t *testing.T, silence time.Duration) *client {
	t.Helper()
	stdin, in := io.Pipe()
	out, stdout := io.Pipe()
	c := &client{t: t, in: in, out: json.NewDecoder(out), ended: make(chan error, 1)}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		err := serve(t.Context(), stdin, stdout, serving{silence: silence})
		stdin.Close()
		stdout.Close()
		c.ended <- err
	}()
	t.Cleanup(func() {
		in.Close()
		go func() { _, _ = io.Copy(io.Discard, out) }()
		select {
		case <-gone:
		case <-time.After(patience):
			t.Error("the agent does not end")
		}
	})
	return c
}

// open starts an agent that has been told of its node.
func open(t *testing.T, n wire.Node) *client {
	t.Helper()
	c := start(t, patience)
	_, err := ask[wire.HelloResult](c, wire.OpHello, wire.Hello{Protocol: wire.Protocol, Node: n})
	require.NoError(t, err)
	return c
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

func (c *client) line(text string) {
	c.t.Helper()
	_, err := io.WriteString(c.in, text+"\n")
	require.NoError(c.t, err)
}

// send sends a request and returns its number.
func (c *client) send(op string, args any) int {
	c.t.Helper()
	data, err := json.Marshal(args)
	require.NoError(c.t, err)
	c.next++
	line, err := json.Marshal(wire.Request{ID: c.next, Op: op, Args: data})
	require.NoError(c.t, err)
	c.line(string(line))
	return c.next
}

func (c *client) receive() wire.Response {
	c.t.Helper()
	for {
		var r wire.Response
		require.NoError(c.t, c.out.Decode(&r))
		if r.Event == nil || r.Event.Kind != wire.EventBeat {
			return r
		}
	}
}

// event waits for an event of a kind.
func (c *client) event(kind string) {
	c.t.Helper()
	r := c.receive()
	require.NotNil(c.t, r.Event, "%+v", r)
	require.Equal(c.t, kind, r.Event.Kind)
}

// end waits until the agent has ended.
func (c *client) end() error {
	c.t.Helper()
	select {
	case err := <-c.ended:
		return err
	case <-time.After(patience):
		c.t.Fatal("the agent does not end")
		return nil
	}
}

// wait waits for the result of a request and keeps its events.
func wait[R any](c *client, id int) (R, error) {
	c.t.Helper()
	var result R
	c.events = nil
	for {
		r := c.receive()
		require.Equal(c.t, id, r.ID)
		switch {
		case r.Event != nil:
			c.events = append(c.events, *r.Event)
			continue
		case r.Error != nil:
			return result, r.Error
		}
		require.NoError(c.t, json.Unmarshal(r.Result, &result))
		return result, nil
	}
}

func ask[R any](c *client, op string, args any) (R, error) {
	c.t.Helper()
	return wait[R](c, c.send(op, args))
}

func requireKind(t *testing.T, err error, kind, text string) {
	t.Helper()
	var e *wire.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, kind, e.Kind)
	require.Contains(t, e.Message, text)
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
