package agent

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/casshook/casshook/pkg/ledger"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
)

func lockOf(c *client) *ledger.Lock {
	c.t.Helper()
	v, err := ask[ledger.Volume](c, wire.OpInspect, none{})
	require.NoError(c.t, err)
	return v.Lock
}

func TestTwoAgentsOnOneVolume(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	first, second := hold(t, v.node("")), open(t, v.node(""))
	require.NoError(t, first.lock(wire.LockAcquire, "me"), "again, by the holder")
	for _, action := range []string{wire.LockAcquire, wire.LockPark, wire.LockRelease} {
		requireKind(t, second.lock(action, "other"), wire.KindLocked, "locked by another agent: "+v.root)
	}
	require.Equal(t, "me", lockOf(second).Holder, "it may look all the same")
	require.False(t, lockOf(second).Dead, "its agent lives")
	require.False(t, lockOf(first).Dead)
	require.NoError(t, first.lock(wire.LockRelease, "me"))
	require.Nil(t, lockOf(second))
	require.NoError(t, second.lock(wire.LockAcquire, "other"), "a released lock is free while its agent lives")
	requireKind(t, first.lock(wire.LockAcquire, "me"), wire.KindLocked, "locked by another agent")
}

func TestLockOfADeadRunIsTakenOver(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	dead := hold(t, v.node(""))
	require.NoError(t, dead.in.Close())
	require.NoError(t, dead.end())
	require.FileExists(t, filepath.Join(v.root, "casshook", lockFile))
	c := open(t, v.node(""))
	require.Equal(t, "me", lockOf(c).Holder)
	require.True(t, lockOf(c).Dead)
	require.NoError(t, os.Remove(filepath.Join(v.root, "casshook", storage.FlockFile)))
	require.True(t, lockOf(c).Dead, "nobody has a flock that is not there")
	require.NoError(t, c.lock(wire.LockAcquire, "other"))
	require.False(t, lockOf(c).Dead)
	require.Equal(t, "other", lockOf(c).Holder)
}

func TestParkedLock(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	c := hold(t, v.node(""))
	require.NoError(t, c.lock(wire.LockPark, "me"))
	parked := lockOf(c)
	require.True(t, parked.Parked)
	require.False(t, parked.Dead, "a parked lock needs nobody")
	require.Equal(t, testID, parked.BackupID)
	require.NoError(t, c.in.Close())
	require.NoError(t, c.end())

	acquire := func(c *client, holder string, parkedFor time.Duration) error {
		_, err := ask[none](c, wire.OpLock, wire.LockArgs{Action: wire.LockAcquire, Holder: holder, Operation: "next", ParkedFor: parkedFor})
		return err
	}
	c = open(t, v.node(""))
	requireKind(t, acquire(c, "other", time.Hour), wire.KindLocked, "is kept by test of me since ")
	_, err := ask[none](c, wire.OpClear, wire.ClearArgs{})
	require.ErrorContains(t, err, "needs the lock", "what was refused the lock changes nothing")
	require.NoError(t, acquire(open(t, v.node("")), "me", time.Hour), "by whom it was parked")

	again := open(t, newVolume(t, 1).node(""))
	require.NoError(t, again.lock(wire.LockAcquire, "me"))
	require.NoError(t, again.lock(wire.LockPark, "me"))
	require.NoError(t, acquire(again, "other", time.Nanosecond), "one old enough is taken over")
	require.Equal(t, &ledger.Lock{Holder: "other", Operation: "next", Volume: lockOf(again).Volume, Since: lockOf(again).Since}, lockOf(again))
	requireKind(t, again.lock(wire.LockPark, "me"), wire.KindLocked, "is held by another process")
}

func TestReleaseByAnotherDoesNothing(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	c := hold(t, v.node(""))
	require.NoError(t, c.lock(wire.LockRelease, "other"))
	require.Equal(t, "me", lockOf(c).Holder)
	_, err := ask[none](c, wire.OpBegin, wire.BeginArgs{BackupID: testID})
	require.NoError(t, err, "the lock is still held")
	require.NoError(t, c.lock(wire.LockRelease, "me"))
	require.Nil(t, lockOf(c))
	require.NoError(t, c.lock(wire.LockRelease, "me"), "twice")
}

func TestLockOnACopyIsNobodys(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	c := hold(t, v.node(""))
	require.NoError(t, c.lock(wire.LockPark, "me"))
	copied := newVolume(t, 1)
	require.NoError(t, exec.Command("cp", "-a", filepath.Join(v.root, "casshook"), copied.root).Run())
	require.FileExists(t, filepath.Join(copied.root, "casshook", lockFile))
	other := open(t, copied.node(""))
	require.Nil(t, lockOf(other))
	require.NoError(t, other.lock(wire.LockAcquire, "other"))
	require.Equal(t, "other", lockOf(other).Holder)

	named := v.node("")
	named.VolumeID = "pvc-2"
	require.Equal(t, "me", lockOf(open(t, named)).Holder, "another name, and the very file: it may be this volume's")
	require.NoError(t, c.lock(wire.LockRelease, "me"))
	holder := open(t, named)
	require.NoError(t, holder.lock(wire.LockAcquire, "you"))
	require.NoError(t, holder.lock(wire.LockPark, "you"))
	named.VolumeID = "pvc-3"
	require.Nil(t, lockOf(open(t, named)), "the target says that it is another volume")
}

func TestLockThatCannotBeRead(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	n := v.node("")
	n.VolumeID = "pvc-1"
	v.write(filepath.Join(v.root, "casshook", lockFile), "{torn")
	c := open(t, n)
	require.Nil(t, lockOf(c))
	require.NoError(t, c.lock(wire.LockAcquire, "me"))
	require.Equal(t, "pvc-1", lockOf(c).Volume)
	require.NoFileExists(t, filepath.Join(v.root, "casshook", "volume-id"), "the target names the volume")
	require.NoError(t, os.Remove(filepath.Join(v.root, "casshook", lockFile)))
	require.NoError(t, os.Mkdir(filepath.Join(v.root, "casshook", lockFile), 0o755))
	_, err := ask[ledger.Volume](c, wire.OpInspect, none{})
	require.ErrorContains(t, err, "is neither the regular file")
}
