package ledger

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/document"
)

// TestDecideIsOfTheWholeRing: for every pair of what lies on two volumes, in either order,
// the ring decides alike, and no ring does what one of its volumes refuses.
func TestDecideIsOfTheWholeRing(t *testing.T) {
	t.Parallel()
	ring := func(first, second []Restore, originals [2]bool) []Volume {
		volumes := on("v1", "v2")
		for i, restores := range [][]Restore{first, second} {
			from := "elsewhere"
			if originals[i] {
				from = volumes[i].Identity
			}
			volumes[i].Backups = []Backup{{ID: older, Complete: true, Volume: from}}
			for _, r := range restores {
				r.Volume = volumes[i].Identity
				if r.Offline {
					r.ID = CleanID(older, r.Volume)
				}
				volumes[i].Restores = append(volumes[i].Restores, r)
			}
		}
		return volumes
	}
	id := RestoreID(older, on("v1", "v2"), All())
	var kinds [][]Restore
	for _, s := range Stages() {
		kinds = append(kinds, []Restore{{ID: id, BackupID: older, Scope: All(), Stage: s}})
	}
	kinds = append(kinds, nil,
		[]Restore{{BackupID: older, Scope: All(), Offline: true, Stage: Truncated}},
		[]Restore{{BackupID: older, Scope: All(), Offline: true, Stage: Loaded, Cleaned: &Cleaned{Time: noon}}})
	for _, r := range Requests()[4:10] {
		for _, a := range kinds {
			for _, b := range kinds {
				for _, originals := range [][2]bool{{false, false}, {true, false}, {true, true}} {
					one := Decide(ring(a, b, originals), older, All(), r)
					other := Decide(ring(b, a, [2]bool{originals[1], originals[0]}), older, All(), r)
					require.Equal(t, one.Action, other.Action, "%v %v %v %v", r, a, b, originals)
					require.Len(t, other.Nodes, len(one.Nodes))
					require.NotEmpty(t, one.Action)
					require.Equal(t, one.Action.Refuses(), len(one.Nodes) > 0, "who refuses is named")
					checkDecision(t, one, r, [][]Restore{a, b}, originals)
				}
			}
		}
	}
}

// checkDecision is what no decision may break.
func checkDecision(t *testing.T, d Decision, r Request, of [][]Restore, originals [2]bool) {
	t.Helper()
	has := func(is func(Restore) bool) bool {
		return slices.ContainsFunc(of, func(restores []Restore) bool { return slices.ContainsFunc(restores, is) })
	}
	loads := d.Action == Begin || d.Action == Resume
	switch {
	case has(func(r Restore) bool { return r.Offline && r.Cleaned == nil }):
		require.Equal(t, RefuseCleaning, d.Action)
	case loads && !r.Again:
		require.False(t, has(func(r Restore) bool { return r.Stage >= Loaded }), "what clients wrote since is lost")
	}
	if loads && !r.InPlace {
		require.NotContains(t, originals, true, "live data is lost")
	}
	if d.Action == Prove || d.Action == Nothing {
		require.True(t, has(func(r Restore) bool { return r.Stage >= Loaded }), "nothing was loaded")
		require.False(t, r.Again && d.Action == Nothing)
	}
	require.False(t, d.Cleaned && d.Action != Prove)
}

// TestStateIn: where not all volumes are known, the scope says which restore is meant, and
// the answer is that of StateFor with the id.
func TestStateIn(t *testing.T) {
	t.Parallel()
	b := Backup{ID: older, Complete: true, Volume: "v0"}
	restores := []Restore{
		restore("a", All(), Loading), restore("b", part("orders"), Done), restore("c", part("users"), Truncated), restore("d", Scope{}, Done),
		{ID: "e", BackupID: older, Volume: "elsewhere", Scope: part("later"), Stage: Done},
		{ID: "f", BackupID: newer, Volume: "v1", Scope: part("later"), Stage: Done},
	}
	v := Volume{Identity: "v1", Restores: restores}
	for _, tt := range []struct {
		name  string
		scope Scope
		id    string
		stage Stage
	}{
		{"everything", All(), "a", Loading},
		{"a part", part("orders"), "b", Done},
		{"another part", part("users"), "c", Truncated},
		{"both parts", part("orders", "users"), "", None},
		{"of another volume or backup", part("later"), "", None},
	} {
		got := StateIn(v, b, tt.scope)
		require.Equal(t, tt.stage, got.Stage, tt.name)
		require.Equal(t, StateFor(v, b, tt.id, tt.scope), got, tt.name)
	}
	cleaned := Restore{ID: "z", BackupID: older, Volume: "v1", Offline: true, Scope: All(), Stage: Loaded, Cleaned: &Cleaned{Time: noon}}
	v.Restores = []Restore{cleaned}
	require.Equal(t, State{Origin: Copy, Complete: true, Stage: Loaded, Offline: true, Cleaned: true}, StateIn(v, b, All()))
	require.Equal(t, None, StateIn(v, b, part("orders")).Stage, "what the cleaner did is no restore of a part")
	cleaned.Stage, cleaned.Cleaned = Truncated, nil
	v.Restores = []Restore{cleaned}
	require.Equal(t, Truncated, StateIn(v, b, part("orders")).Stage, "unless it stopped half-way")
}

// TestOnlyTheWholeFreesACopy: whatever restores of parts there are, and in whatever order
// they are listed, a copy's backup may go only once everything was restored.
func TestOnlyTheWholeFreesACopy(t *testing.T) {
	t.Parallel()
	b := Backup{ID: older, Complete: true, Volume: "v0"}
	parts := []Restore{restore("a", part("orders"), Done), restore("b", part("users"), Done), restore("c", part("orders", "users"), Done), restore("d", Scope{}, Done)}
	for mask := range 1 << len(parts) {
		var some []Restore
		for i, r := range parts {
			if mask&(1<<i) != 0 {
				some = append(some, r)
			}
		}
		for _, op := range []Operation{BeforeBackup, Remove} {
			action := func(restores ...Restore) Action {
				return Next(Request{Operation: op}, StateOf(Volume{Identity: "v1", Restores: restores}, b))
			}
			require.True(t, action(some...).Refuses(), some)
			all := append(slices.Clone(some), restore("z", All(), Done))
			require.False(t, action(all...).Refuses(), all)
			slices.Reverse(all)
			require.False(t, action(all...).Refuses(), all)
			for _, stage := range Stages() {
				if stage.Unfinished() {
					last := restore("y", part("orders"), stage)
					last.Steps = []Entry{{Time: noon.Add(time.Hour)}}
					require.Equal(t, RefuseHalfWay, action(append(slices.Clone(all), last)...), "it began after everything was done")
				}
			}
		}
	}
}

// TestLeftoversAreOfTheseTables, of any backup, and of no other volume.
func TestLeftoversAreOfTheseTables(t *testing.T) {
	t.Parallel()
	at := func(backup, volume string, scope Scope, stage Stage) Restore {
		return Restore{BackupID: backup, Volume: volume, Scope: scope, Stage: stage}
	}
	for _, tt := range []struct {
		name string
		r    Restore
		want []string
	}{
		{"the same table", at(older, "v1", part("orders"), Loading), []string{older}},
		{"of another backup", at(newer, "v1", part("orders"), Loading), []string{newer}},
		{"everything", at(older, "v1", All(), Loading), []string{older}},
		{"nobody knows what", at(older, "v1", Scope{}, Loading), []string{older}},
		{"another table", at(older, "v1", part("users"), Loading), nil},
		{"another volume", at(older, "v0", part("orders"), Loading), nil},
		{"before the load", at(older, "v1", part("orders"), Truncated), nil},
		{"after the load", at(older, "v1", part("orders"), Loaded), nil},
	} {
		volumes := on("v1", "v2")
		volumes[0].Restores = []Restore{tt.r, tt.r}
		require.Equal(t, tt.want, Leftovers(volumes, part("orders", "later")), tt.name)
	}
	volumes := on("v1")
	offline := at(older, "v1", All(), Loading)
	offline.Offline = true
	volumes[0].Restores = []Restore{offline}
	require.Empty(t, Leftovers(volumes, All()), "the cleaner finds its own")
}

// TestInterrupted are those that must be run again, of any backup.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	v := Volume{Identity: "v1"}
	for _, s := range Stages() {
		v.Restores = append(v.Restores, restore(s.String(), All(), s))
	}
	cleaned := restore("cleaned", All(), Loaded)
	cleaned.Cleaned = &Cleaned{Time: noon}
	elsewhere := restore("elsewhere", All(), Loading)
	elsewhere.Volume = "v0"
	v.Restores = append(v.Restores, cleaned, elsewhere)
	var found []string
	for _, r := range v.Interrupted() {
		found = append(found, r.ID)
	}
	require.Equal(t, []string{"schema", "truncated", "loading", "loaded", "views", "verified"}, found)
	require.Equal(t, cleaned.Cleaned, v.Cleaned(older))
	require.Nil(t, v.Cleaned(newer))
	b, ok := v.Backup(newer)
	require.False(t, ok)
	require.Equal(t, Backup{ID: newer}, b, "it is not complete")
}

// TestPartOfOneTableIsNoWhole: names are compared by keyspace and table, not by their text.
func TestPartOfOneTableIsNoWhole(t *testing.T) {
	t.Parallel()
	odd := Scope{Tables: []document.TableName{{Keyspace: "a", Name: "b.c"}}}
	other := Scope{Tables: []document.TableName{{Keyspace: "a.b", Name: "c"}}}
	require.False(t, odd.Covers(other))
	require.False(t, odd.Meets(other))
	require.True(t, odd.Covers(odd))
	require.Equal(t, All(), Part(odd.Tables, odd.Tables), "a backup of one table")
}
