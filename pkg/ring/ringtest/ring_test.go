package ringtest_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// firstNode is a node of a new ring.
func firstNode(t *testing.T) (ring.Target, ring.Node) {
	target := ringtest.New(t, 1).Target()
	nodes, err := target.Nodes.Nodes(t.Context())
	require.NoError(t, err)
	return target, nodes[0]
}

func TestExec(t *testing.T) {
	t.Parallel()
	ringtest.ExecContract(t, func(t *testing.T) (ring.Exec, ring.Node) {
		target, node := firstNode(t)
		return target.Exec, node
	})
}

func TestDialer(t *testing.T) {
	t.Parallel()
	ringtest.DialerContract(t, func(t *testing.T) (ring.Dialer, ring.Node) {
		target, node := firstNode(t)
		return target.Dialer, node
	})
}

func TestLocker(t *testing.T) {
	t.Parallel()
	ringtest.LockerContract(t, func(t *testing.T) ringtest.Rival {
		target := ringtest.New(t, 2).Target()
		nodes, err := target.Nodes.Nodes(t.Context())
		require.NoError(t, err)
		return ringtest.Rival{Ours: target.Locker, Theirs: target.Locker, Sessions: func() []*ring.Session {
			sessions, err := ring.OpenAll(t.Context(), target.Exec, nodes)
			require.NoError(t, err)
			t.Cleanup(func() { ring.CloseAll(sessions) })
			return sessions
		}}
	})
}

// withBackup is a stopped ring whose volumes have a backup.
func withBackup(t *testing.T) *ringtest.Ring {
	r := ringtest.New(t, 3)
	_, err := backup.Before(t.Context(), r.Target(), backup.Options{Wait: time.Minute}, &ringtest.Steps{})
	require.NoError(t, err)
	r.Return(r.Snapshot(), true)
	return r
}

func TestStoppedRing(t *testing.T) {
	t.Parallel()
	ringtest.StoppedRingContract(t, func(t *testing.T) ring.StoppedRing { return withBackup(t).Target().Stopped })
}

func TestCleaner(t *testing.T) {
	t.Parallel()
	ringtest.CleanerContract(t, func(t *testing.T) (ring.Cleaner, string) {
		r := withBackup(t)
		require.NoError(t, os.Remove(filepath.Join(document.BackupDir(r.Root("n2"), r.Backups()[0]), document.CompleteFile)))
		return r.Target().Stopped, "n2"
	})
}
