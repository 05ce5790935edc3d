package backup

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"

	"github.com/stretchr/testify/require"
)

// cutting notes what it is asked to wait for.
type cutting struct {
	since []time.Time
}

func (c *cutting) WaitVolumeSnapshots(_ context.Context, since time.Time, _ time.Duration, _ func(string)) error {
	c.since = append(c.since, since)
	return nil
}

// TestWaitVolumeSnapshots: those begun since the earliest own backup are waited for, also when the clock that dated the backup
// was ahead of the one that dates them; backups of other volumes do not count.
func TestWaitVolumeSnapshots(t *testing.T) {
	t.Parallel()
	made := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	volume := func(of string, at time.Time) ledger.Volume {
		return ledger.Volume{Identity: "v", Backups: []ledger.Backup{{ID: "b", Volume: of, Started: at}}}
	}
	wait := func(limit time.Duration, volumes ...ledger.Volume) []time.Time {
		c := &cutting{}
		require.NoError(t, waitVolumeSnapshots(t.Context(), c, removal{volumes, slices.Repeat([][]string{{"b"}}, len(volumes)), limit, func(string) {}}))
		return c.since
	}
	since := wait(time.Minute, volume("v", made.Add(time.Second)), volume("v", made), volume("other", made.Add(-24*time.Hour)))
	require.Len(t, since, 1)
	require.True(t, since[0].Before(made.Add(-10*time.Minute)), since)
	require.True(t, since[0].After(made.Add(-24*time.Hour)), since)
	require.Empty(t, wait(0, volume("v", made)), "0 does not wait")
	require.Empty(t, wait(time.Minute, volume("other", made)), "no backup of these volumes")
	require.NoError(t, waitVolumeSnapshots(t.Context(), nil, removal{[]ledger.Volume{volume("v", made)}, [][]string{{"b"}}, time.Minute, nil}), "hosts know of none")
}

// TestReasonSaysTheCommand: run as it is said, after-restore takes up the restore that
// stopped, not one of a newer backup beside it.
func TestReasonSaysTheCommand(t *testing.T) {
	t.Parallel()
	orders := ledger.Scope{Tables: []document.TableName{{Keyspace: "shop", Name: "orders"}, {Keyspace: "shop", Name: "users"}}}
	for _, tt := range []struct {
		name    string
		backups []string
		scope   ledger.Scope
		want    string
	}{
		{"everything of the only one", []string{"a"}, ledger.All(), "run after-restore again"},
		{"a part of the only one", []string{"a"}, orders, "run after-restore again with --include shop.orders,shop.users"},
		{"everything of one of two", []string{"a", "b"}, ledger.All(), "run after-restore again with --backup a"},
		{"a part of one of two", []string{"a", "b"}, orders, "run after-restore again with --backup a --include shop.orders,shop.users"},
	} {
		v := ledger.Volume{Identity: "v", Restores: []ledger.Restore{
			{BackupID: "a", Volume: "v", Stage: ledger.Loading, Scope: tt.scope},
			{BackupID: "a", Volume: "elsewhere", Stage: ledger.Loading, Scope: ledger.Scope{Tables: []document.TableName{{Keyspace: "x", Name: "y"}}}},
		}}
		for _, id := range tt.backups {
			v.Backups = append(v.Backups, ledger.Backup{ID: id, Complete: true})
		}
		require.Contains(t, reason(ledger.RefuseHalfWay, v, v.Backups[0]), "; "+tt.want+"; if it cannot end", tt.name)
	}
}
