package ledger

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/document"
)

func TestStages(t *testing.T) {
	t.Parallel()
	for i, s := range Stages() {
		require.Equal(t, Stage(i), s, "they are in their order")
		text, err := s.MarshalText()
		require.NoError(t, err)
		var back Stage
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, s, back)
		require.True(t, !s.Destroys() || s.Unfinished(), s)
	}
	var s Stage
	require.ErrorContains(t, s.UnmarshalText([]byte("lodaed")), "lodaed")
	require.Equal(t, []bool{false, false, true, true, true, false, false, false, false}, each(Stage.Destroys))
	require.Equal(t, []bool{false, false, true, true, true, true, true, true, false}, each(Stage.Unfinished))
}

func each(ask func(Stage) bool) []bool {
	var answers []bool
	for _, s := range Stages() {
		answers = append(answers, ask(s))
	}
	return answers
}

// TestStageOf: journals of this release say their stages, those of earlier ones are
// known by the names of the steps; markers count more than a journal's last line.
func TestStageOf(t *testing.T) {
	t.Parallel()
	steps := func(names ...string) []Entry {
		var entries []Entry
		for _, n := range names {
			entries = append(entries, Entry{Step: n})
		}
		return entries
	}
	for _, c := range []struct {
		name         string
		r            Restore
		loaded, done bool
		want         Stage
	}{
		{"nothing", Restore{}, false, false, None},
		{"stages", Restore{Steps: []Entry{{Step: "a", Stage: Staged}, {Step: "b", Stage: Truncated}, {Step: "c"}}}, false, false, Truncated},
		{"names", Restore{Steps: steps("staging the snapshots", "removing leftovers of an earlier run", "changing the schema")}, false, false, Schema},
		{"truncating", Restore{Steps: steps("truncating")}, false, false, Truncated},
		{"loading", Restore{Steps: steps("loading", "recording that all is loaded")}, false, false, Loading},
		{"views without the marker of the load", Restore{Steps: steps("building views")}, false, false, Loading},
		{"the marker alone", Restore{}, true, false, Loaded},
		{"views", Restore{Steps: steps("restoring grants")}, true, false, Views},
		{"done", Restore{}, true, true, Done},
		{"a step of no name", Restore{Steps: steps("x")}, false, false, None},
		{"half cleaned", Restore{Offline: true, Steps: steps("emptying x")}, false, false, Truncated},
		{"cleaned", Restore{Offline: true, Steps: steps("x"), Cleaned: &Cleaned{}}, false, false, Loaded},
	} {
		require.Equal(t, c.want, stageOf(c.r, c.loaded, c.done), c.name)
	}
}

func table(name string) document.TableName { return document.TableName{Keyspace: "shop", Name: name} }

func part(names ...string) Scope {
	var s Scope
	for _, n := range names {
		s.Tables = append(s.Tables, table(n))
	}
	return s
}

func TestScope(t *testing.T) {
	t.Parallel()
	all := part("orders", "users").Tables
	require.Equal(t, All(), Part(part("users", "orders", "users").Tables, all), "however it was asked for")
	require.Equal(t, part("orders"), Part(part("orders").Tables, all))
	for _, c := range []struct {
		a, b          Scope
		covers, meets bool
	}{
		{All(), All(), true, true},
		{All(), part("a"), true, true},
		{All(), Scope{}, true, true},
		{part("a", "b"), part("a"), true, true},
		{part("a"), part("a", "b"), false, true},
		{part("a"), part("b"), false, false},
		{part("a"), All(), false, true},
		{part("a"), Scope{}, false, true},
		{Scope{}, part("a"), false, true},
	} {
		require.Equal(t, c.covers, c.a.Covers(c.b), "%v covers %v", c.a, c.b)
		require.Equal(t, c.meets, c.a.Meets(c.b), "%v meets %v", c.a, c.b)
	}
	require.Equal(t, "shop.a,shop.b", part("a", "b").String())
	require.Equal(t, "everything", All().String())
	text, err := json.Marshal(All())
	require.NoError(t, err)
	require.JSONEq(t, `{"whole":true}`, string(text))
}

func on(identities ...string) []Volume {
	var volumes []Volume
	for i, id := range identities {
		volumes = append(volumes, Volume{Node: fmt.Sprintf("n%d", i+1), Identity: id})
	}
	return volumes
}

func TestRestoreID(t *testing.T) {
	t.Parallel()
	id := RestoreID(older, on("v1", "v2"), All())
	require.True(t, ValidRestoreID(id))
	require.Equal(t, id, RestoreID(older, on("v2", "v1"), All()), "the order of the volumes does not count")
	for _, other := range []string{
		RestoreID(newer, on("v1", "v2"), All()), RestoreID(older, on("v1", "v3"), All()), RestoreID(older, on("v1"), All()), RestoreID(older, on("v1v2"), All()),
		RestoreID(older, on("v1", "v2"), part("orders")), CleanID(older, "v1"),
	} {
		require.NotEqual(t, id, other)
	}
	require.NotEqual(t, RestoreID(older, on("v1"), part("a")), RestoreID(older, on("v1"), part("a", "b")))
}

// TestResolve: records of earlier releases do not say what they were of; that of
// everything has an id that only it can have.
func TestResolve(t *testing.T) {
	t.Parallel()
	volumes := on("v1", "v2")
	volumes[0].Restores = []Restore{
		{ID: RestoreID(older, volumes, All()), BackupID: older}, {ID: "0123456789abcdef", BackupID: older}, {ID: "fedcba9876543210", BackupID: older, Offline: true},
	}
	volumes = Resolve(volumes)
	require.Equal(t, []bool{true, false, true}, []bool{volumes[0].Restores[0].Scope.Whole, volumes[0].Restores[1].Scope.Whole, volumes[0].Restores[2].Scope.Whole})
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func restore(id string, scope Scope, stage Stage) Restore {
	return Restore{ID: id, BackupID: older, Volume: "v1", Scope: scope, Stage: stage}
}

func TestStateOf(t *testing.T) {
	t.Parallel()
	copied, own := Backup{ID: older, Complete: true, Volume: "v0"}, Backup{ID: older, Complete: true, Volume: "v1"}
	cleaned := Restore{ID: "c", BackupID: older, Volume: "v1", Scope: All(), Stage: Loaded, Offline: true, Cleaned: &Cleaned{Time: noon}}
	doneAt := func(at time.Time) Restore { r := restore("d", All(), Done); r.Finished = at; return r }
	elsewhere := restore("e", All(), Done)
	elsewhere.Volume = "v0"
	for _, c := range []struct {
		name     string
		backup   Backup
		restores []Restore
		want     State
	}{
		{"a copy", copied, nil, State{Origin: Copy, Complete: true}},
		{"the original", own, nil, State{Complete: true}},
		{"a record that came along", copied, []Restore{elsewhere}, State{Origin: Copy, Complete: true}},
		{"done", copied, []Restore{restore("a", All(), Done)}, State{Origin: Copy, Complete: true, Stage: Done}},
		{"a part, then everything", copied, []Restore{restore("a", part("t"), Done), restore("b", All(), Done)}, State{Origin: Copy, Complete: true, Stage: Done}},
		{"a part", copied, []Restore{restore("a", part("t"), Done)}, State{Origin: Copy, Complete: true, Stage: Done, Extent: Some}},
		{"stopped, and done for another table", copied, []Restore{restore("a", part("t"), Truncated), restore("b", part("u"), Done)},
			State{Origin: Copy, Complete: true, Stage: Truncated, Extent: Some}},
		{"stopped, and everything done since", copied, []Restore{restore("a", part("t"), Truncated), restore("b", All(), Done)}, State{Origin: Copy, Complete: true, Stage: Done}},
		{"cleaned", copied, []Restore{cleaned}, State{Origin: Copy, Complete: true, Stage: Loaded, Offline: true, Cleaned: true}},
		{"cleaned, then proven", copied, []Restore{cleaned, doneAt(noon.Add(time.Minute))}, State{Origin: Copy, Complete: true, Stage: Done, Cleaned: true}},
		{"proven, then cleaned again", copied, []Restore{cleaned, doneAt(noon.Add(-time.Minute))}, State{Origin: Copy, Complete: true, Stage: Loaded, Offline: true, Cleaned: true}},
	} {
		require.Equal(t, c.want, StateOf(Volume{Identity: "v1", Restores: c.restores}, c.backup), c.name)
	}
}

func TestCleanedSince(t *testing.T) {
	t.Parallel()
	clean := Restore{ID: "c", Offline: true, BackupID: older, Volume: "v", Scope: All(), Stage: Loaded, Cleaned: &Cleaned{Time: noon}}
	done := func(when time.Time) Restore {
		return Restore{ID: "r", BackupID: older, Volume: "v", Scope: All(), Stage: Done, Steps: []Entry{{Time: when}}}
	}
	require.True(t, CleanedSince(Volume{Identity: "v", Restores: []Restore{clean}}))
	require.False(t, CleanedSince(Volume{Identity: "w", Restores: []Restore{clean}}), "a copy")
	require.False(t, CleanedSince(Volume{Identity: "v", Restores: []Restore{clean, done(noon.Add(time.Minute))}}))
	require.True(t, CleanedSince(Volume{Identity: "v", Restores: []Restore{clean, done(noon.Add(-time.Minute))}}), "cleaned again since")
	twice := done(noon.Add(time.Minute))
	twice.Finished = noon.Add(-time.Minute)
	require.False(t, CleanedSince(Volume{Identity: "v", Restores: []Restore{clean, twice}}), "cleaned again, and proven since")
	require.False(t, CleanedSince(Volume{Identity: "v"}))
}

func TestLockKeeps(t *testing.T) {
	t.Parallel()
	parked := func(ago time.Duration) Lock { return Lock{Holder: "a", Parked: true, Since: noon.Add(-ago)} }
	require.True(t, parked(time.Minute).Keeps("b", time.Hour, noon))
	require.False(t, parked(time.Hour).Keeps("b", time.Hour, noon))
	require.False(t, parked(time.Minute).Keeps("a", time.Hour, noon), "its own")
	require.False(t, parked(0).Keeps("b", 0, noon))
	require.False(t, parked(-3*time.Second).Keeps("b", 0, noon), "parked by a clock ahead of this one")
	require.True(t, parked(-3*time.Second).Keeps("b", time.Second, noon))
	require.False(t, Lock{Holder: "a", Since: noon}.Keeps("b", time.Hour, noon), "it is not parked")
}
