package ledger

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// copies are the volumes of three nodes that came back with a restore point.
func copies(restores ...Restore) []Volume {
	volumes := on("v1", "v2", "v3")
	for i := range volumes {
		volumes[i].Backups = []Backup{{ID: older, Complete: true, Volume: fmt.Sprint("original-", i)}}
	}
	for _, r := range restores {
		r.BackupID, r.Volume = older, "v2"
		volumes[1].Restores = append(volumes[1].Restores, r)
	}
	return volumes
}

func TestDecide(t *testing.T) {
	t.Parallel()
	whole := RestoreID(older, copies(), All())
	orders := RestoreID(older, copies(), part("orders"))
	ask := func(r Request, scope Scope, restores ...Restore) Decision {
		r.Operation = AfterRestore
		return Decide(copies(restores...), older, scope, r)
	}
	require.Equal(t, Begin, ask(Request{}, All()).Action)
	require.Equal(t, Resume, ask(Request{}, All(), Restore{ID: whole, Scope: All(), Stage: Truncated}).Action, "one volume that says so is enough")
	require.Equal(t, Prove, ask(Request{}, All(), Restore{ID: whole, Scope: All(), Stage: Loaded}).Action)
	require.Equal(t, Nothing, ask(Request{}, All(), Restore{ID: whole, Scope: All(), Stage: Done}).Action)
	require.Equal(t, Begin, ask(Request{Again: true}, All(), Restore{ID: whole, Scope: All(), Stage: Done}).Action)
	require.Equal(t, Begin, ask(Request{}, All(), Restore{ID: orders, Scope: part("orders"), Stage: Done}).Action, "a part is another restore")
	require.Equal(t, Begin, ask(Request{}, part("orders"), Restore{ID: whole, Scope: All(), Stage: Done}).Action)
	d := ask(Request{}, All(), Restore{ID: orders, Scope: part("orders"), Stage: Loading})
	require.Equal(t, Begin, d.Action)
	require.Equal(t, []string{older}, d.Leftovers, "what another restore left in these tables")
	require.Empty(t, ask(Request{}, part("users"), Restore{ID: orders, Scope: part("orders"), Stage: Loading}).Leftovers)
}

func TestDecideOnOriginals(t *testing.T) {
	t.Parallel()
	volumes := copies()
	volumes[2].Backups[0].Volume = "v3"
	d := Decide(volumes, older, All(), Request{Operation: AfterRestore})
	require.Equal(t, RefuseOriginal, d.Action)
	require.Equal(t, []string{"n3"}, d.Nodes)
	require.Equal(t, Begin, Decide(volumes, older, All(), Request{Operation: AfterRestore, InPlace: true}).Action)
}

func TestDecideAfterTheCleaner(t *testing.T) {
	t.Parallel()
	const untouched, half, cleaned = 0, 1, 2
	volumes := func(states ...int) []Volume {
		found := copies()
		for i, state := range states {
			v := &found[i]
			r := Restore{ID: CleanID(older, v.Identity), Offline: true, BackupID: older, Volume: v.Identity, Scope: All(), Stage: Truncated}
			switch state {
			case cleaned:
				r.Stage, r.Cleaned = Loaded, &Cleaned{Time: noon}
			case untouched: // what was cleaned on another volume, or with another backup, says nothing
				r.Stage, r.Cleaned, r.Volume = Loaded, &Cleaned{Time: noon}, "original"
				other := r
				other.BackupID, other.Volume = newer, v.Identity
				v.Restores = append(v.Restores, other)
			}
			v.Restores = append(v.Restores, r)
		}
		return found
	}
	for name, c := range map[string]struct {
		states []int
		scope  Scope
		again  bool
		want   Action
		nodes  []string
	}{
		"all":                {[]int{cleaned, cleaned, cleaned}, All(), false, Prove, nil},
		"none":               {[]int{untouched, untouched, untouched}, All(), false, Begin, nil},
		"a part of all":      {[]int{cleaned, cleaned, cleaned}, part("t"), false, Begin, nil},
		"all, once more":     {[]int{cleaned, cleaned, cleaned}, All(), true, Begin, nil},
		"one not":            {[]int{cleaned, untouched, cleaned}, All(), false, RefuseMixed, []string{"n1", "n3"}},
		"one half":           {[]int{cleaned, half, cleaned}, All(), false, RefuseCleaning, []string{"n2"}},
		"half and untouched": {[]int{untouched, half, untouched}, All(), false, RefuseCleaning, []string{"n2"}},
		"half, for a part":   {[]int{half, half, half}, part("t"), false, RefuseCleaning, []string{"n1", "n2", "n3"}},
	} {
		d := Decide(volumes(c.states...), older, c.scope, Request{Operation: AfterRestore, Again: c.again})
		require.Equal(t, c.want, d.Action, name)
		require.Equal(t, c.nodes, d.Nodes, name)
		require.Equal(t, c.want == Prove, d.Cleaned, name)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	evidence := []Load{{TableName: table("t"), SSTables: 2, Taken: 2}}
	report := json.RawMessage(`{}`)
	for _, c := range []struct {
		name     string
		restores [][]Restore // by volume
		want     Progress
	}{
		{"nothing", [][]Restore{nil, nil}, Progress{Evidence: make([][]Load, 2)}},
		{"another restore", [][]Restore{{{ID: "other", Stage: Done}}, nil}, Progress{Evidence: make([][]Load, 2)}},
		{"loading on one volume", [][]Restore{{{ID: "id", Stage: Staged}}, {{ID: "id", Stage: Loading}}}, Progress{Stage: Loading, Evidence: make([][]Load, 2)}},
		{"loaded on one volume", [][]Restore{nil, {{ID: "id", Stage: Loaded, Evidence: evidence}}}, Progress{Stage: Loaded, Evidence: [][]Load{nil, evidence}}},
		{"done on one volume", [][]Restore{{{ID: "id", Stage: Done, Report: report}}, {{ID: "id", Stage: Loaded}}},
			Progress{Stage: Done, Report: report, Evidence: make([][]Load, 2)}},
		{"done", [][]Restore{{{ID: "id", Stage: Done, Report: report}}, {{ID: "id", Stage: Done, Report: report}}},
			Progress{Stage: Done, Report: report, Evidence: make([][]Load, 2)}},
	} {
		volumes := make([]Volume, len(c.restores))
		for i, r := range c.restores {
			volumes[i].Restores = r
		}
		c.want.ID = "id"
		require.Equal(t, c.want, Find("id", volumes), c.name)
	}
}

func TestFinished(t *testing.T) {
	t.Parallel()
	// done is a restore of a backup that ended on v1, v2 at a time.
	done := func(backup string, minute int, scope Scope) Restore {
		return Restore{ID: RestoreID(backup, on("v1", "v2"), scope), BackupID: backup, Volume: "v1", Scope: scope, Stage: Done, Finished: noon.Add(0).AddDate(0, 0, minute)}
	}
	begun, elsewhere := done(older, 1, All()), done(older, 1, All())
	begun.Stage = Loaded
	elsewhere.ID, elsewhere.Volume = RestoreID(older, on("v0", "v2"), All()), "v0"
	for _, c := range []struct {
		name     string
		restores []Restore // of the first volume
		wanted   string
		want     string // id of the backup
	}{
		{"none", nil, "", ""},
		{"not ended", []Restore{begun}, "", ""},
		{"ended", []Restore{done(older, 1, All())}, "", older},
		{"on other volumes", []Restore{elsewhere}, "", ""},
		{"of the wanted backup", []Restore{done(newer, 2, All()), done(older, 1, All())}, older, older},
		{"of another backup than wanted", []Restore{done(older, 1, All())}, newer, ""},
		{"a part of it", []Restore{done(older, 1, part("t"))}, "", ""},
		{"the last of two", []Restore{done(older, 1, All()), done(newer, 2, All())}, "", newer},
		{"the last of two, listed the other way", []Restore{done(newer, 2, All()), done(older, 1, All())}, "", newer},
		{"the last, of an older backup", []Restore{done(older, 2, All()), done(newer, 1, All())}, "", older},
	} {
		volumes := []Volume{{Identity: "v1", Restores: c.restores}, {Identity: "v2"}}
		p, backup, ok := Finished(volumes, c.wanted)
		require.Equal(t, c.want, backup, c.name)
		require.Equal(t, c.want != "", ok, c.name)
		require.Equal(t, ok, p.Stage == Done, c.name)
	}
}

func TestSuperseded(t *testing.T) {
	t.Parallel()
	v := Volume{Identity: "v1", Restores: []Restore{
		restore("a", part("orders"), Loading), restore("b", part("users"), Schema), restore("c", part("orders"), Done), restore("d", All(), Staged),
		{ID: "e", BackupID: older, Volume: "v0", Scope: part("orders"), Stage: Loading}, {ID: "f", BackupID: newer, Volume: "v1", Scope: part("orders"), Stage: Loading},
		{ID: "g", BackupID: older, Volume: "v1", Scope: All(), Stage: Truncated, Offline: true},
	}}
	ids := func(by Restore) (found []string) {
		by.ID, by.BackupID = "this", older
		for _, r := range Superseded(v, by) {
			found = append(found, r.ID)
		}
		return found
	}
	require.Equal(t, []string{"a"}, ids(Restore{Scope: part("orders")}))
	require.Equal(t, []string{"a", "b", "d"}, ids(Restore{Scope: All()}))
	require.Empty(t, ids(Restore{Scope: part("items")}))
}
