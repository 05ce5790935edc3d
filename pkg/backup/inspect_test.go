package backup

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// partly is a ring whose nodes have problems, by name.
func partly(target ring.Target, problems map[string]string) ring.Target {
	all := target.Nodes
	target.Visible = func(ctx context.Context) ([]ring.Node, error) {
		nodes, err := all.Nodes(ctx)
		for i := range nodes {
			nodes[i].Problem = problems[nodes[i].Name]
		}
		return nodes, err
	}
	return target
}

// unstartable fails to run anything at one node.
type unstartable struct {
	next ring.Exec
	node string
}

func (u unstartable) AgentArgv(ctx context.Context, n ring.Node) ([]string, error) {
	return u.next.AgentArgv(ctx, n)
}

func (u unstartable) Exec(ctx context.Context, n ring.Node, c ring.Command) error {
	if n.Name == u.node {
		return errors.New("no route")
	}
	return u.next.Exec(ctx, n, c)
}

type silent struct{}

func (silent) Begin(string)                     {}
func (silent) End(string, time.Duration, error) {}
func (silent) Progress(string)                  {}

func backedUp(t *testing.T, nodes int) (ring.Target, string) {
	t.Helper()
	target := ringtest.New(t, nodes).Target()
	made, err := Before(t.Context(), target, Options{}, silent{})
	require.NoError(t, err)
	return target, made.BackupID
}

func TestStatusOfAPartOfTheRing(t *testing.T) {
	t.Parallel()
	target, id := backedUp(t, 3)
	nodes, err := Status(t.Context(), target)
	require.NoError(t, err)
	require.True(t, List(nodes)[0].Complete)

	target = partly(target, map[string]string{"n2": "stopped: no pod"})
	target.Exec = unstartable{target.Exec, "n3"}
	nodes, err = Status(t.Context(), target)
	require.NoError(t, err, "one can be looked at")
	require.Len(t, nodes, 3)
	require.Empty(t, nodes[0].Problem)
	require.Equal(t, id, nodes[0].Backups[0].ID)
	require.Equal(t, NodeStatus{Name: "n2", Problem: "stopped: no pod"}, nodes[1])
	require.Equal(t, "n3", nodes[2].Name)
	require.Contains(t, nodes[2].Problem, "no route")
	list := List(nodes)
	require.False(t, list[0].Complete, "nobody knows")
	require.Equal(t, []string{"n1"}, list[0].Nodes)
	require.Len(t, list[0].Problems, 2)
	require.Equal(t, "n2: stopped: no pod", list[0].Problems[0])
}

func TestStatusOfNothing(t *testing.T) {
	t.Parallel()
	target, _ := backedUp(t, 2)
	target = partly(target, map[string]string{"n1": "stopped: no pod", "n2": "stopped: no pod"})
	nodes, err := Status(t.Context(), target)
	require.EqualError(t, err, "node n1: stopped: no pod\nnode n2: stopped: no pod")
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.Equal(t, []NodeStatus{{Name: "n1", Problem: "stopped: no pod"}, {Name: "n2", Problem: "stopped: no pod"}}, nodes, "one row a node all the same")
	v, err := Verify(t.Context(), target, "", false, silent{})
	require.Nil(t, v)
	require.Equal(t, flow.Precondition, flow.CodeOf(err))

	target.Visible = func(context.Context) ([]ring.Node, error) { return nil, errors.New("forbidden") }
	nodes, err = Status(t.Context(), target)
	require.Empty(t, nodes)
	require.EqualError(t, err, "forbidden")
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
}

func TestVerifyAPartOfTheRing(t *testing.T) {
	t.Parallel()
	target, id := backedUp(t, 3)
	v, err := Verify(t.Context(), target, "", false, silent{})
	require.NoError(t, err)
	require.Equal(t, id, v.BackupID)
	v, err = Verify(t.Context(), partly(target, map[string]string{"n2": "is crashing"}), "", false, silent{})
	require.EqualError(t, err, "node n2: is crashing")
	require.Equal(t, flow.Precondition, flow.CodeOf(err), "what could not be looked at is not corrupt")
	require.Equal(t, []string{"n1", "n3"}, v.Nodes)
	require.Equal(t, []string{"node n2 is not verified: is crashing"}, v.Problems)
}

// TestVerifyGoesOn: documents of one node that cannot be read do not hide the others, and
// a node that cannot be asked is not corrupt.
func TestVerifyGoesOn(t *testing.T) {
	t.Parallel()
	r := ringtest.New(t, 3)
	made, err := Before(t.Context(), r.Target(), Options{}, silent{})
	require.NoError(t, err)
	r.OnCall(func(c ringtest.Call) ringtest.Fault {
		if c.Kind == ringtest.Agent && c.What == "open" && c.Node == "n2" {
			return ringtest.Refuse
		}
		return ringtest.None
	})
	v, err := Verify(t.Context(), r.Target(), "", false, silent{})
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.Equal(t, made.BackupID, v.BackupID)
	require.Equal(t, []string{"n1", "n3"}, v.Nodes)
	require.Len(t, v.Problems, 1)
	require.Contains(t, v.Problems[0], "node n2 is not verified: ")
	r.OnCall(nil)
	require.NoError(t, os.WriteFile(filepath.Join(document.BackupDir(r.Root("n2"), made.BackupID), document.SchemaFile), []byte("{}\n"), 0o600))
	v, err = Verify(t.Context(), r.Target(), "", false, silent{})
	require.Equal(t, flow.Corrupt, flow.CodeOf(err))
	require.Equal(t, []string{"n1", "n3"}, v.Nodes)
	require.Contains(t, v.Problems[0], "node n2: ")
}

// elsewhere are nodes with another volume than they have.
type elsewhere struct {
	named
	volume string
}

type named = ring.Nodes

func (e elsewhere) Nodes(ctx context.Context) ([]ring.Node, error) {
	nodes, err := e.named.Nodes(ctx)
	for i := range nodes {
		nodes[i].Volume = e.volume
	}
	return nodes, err
}

// TestAnotherVolume: before-backup does not take a backup for nobody's snapshots because the target names another volume now.
func TestAnotherVolume(t *testing.T) {
	t.Parallel()
	target, id := backedUp(t, 1)
	wrong := target
	nodes, err := target.Nodes.Nodes(t.Context())
	require.NoError(t, err)
	other := filepath.Join(nodes[0].Volume, "other") // on the same file system
	require.NoError(t, os.Mkdir(other, 0o755))
	wrong.Nodes = elsewhere{target.Nodes, other}
	_, err = Before(t.Context(), wrong, Options{}, silent{})
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.ErrorContains(t, err, "backup "+id+", whose documents are in ")
	_, err = Verify(t.Context(), target, id, true, silent{})
	require.NoError(t, err)
}
