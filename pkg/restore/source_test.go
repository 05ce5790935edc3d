package restore

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/schema"
)

const (
	older = "casshook-20261121T101530Z-ffff"
	newer = "casshook-20261122T101530Z-0000"
)

func names() []string { return []string{"n1", "n2", "n3"} }

// holding is a volume with backups: ids, with a leading "-" where COMPLETE lacks.
func holding(ids ...string) wire.Volume {
	var v wire.Volume
	for _, id := range ids {
		complete := id[0] != '-'
		if !complete {
			id = id[1:]
		}
		v.Backups = append(v.Backups, wire.BackupSummary{ID: id, Complete: complete})
	}
	return v
}

func TestChoose(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		volumes []wire.Volume
		wanted  string
		want    string
		refuse  []string
	}{
		{"the only one", []wire.Volume{holding(older), holding(older), holding(older)}, "", older, nil},
		{"the newest wins", []wire.Volume{holding(older, newer), holding(newer, older), holding(older, newer)}, "", newer, nil},
		{"the newest that is everywhere", []wire.Volume{holding(older, newer), holding(older, newer), holding(older)}, "", older, nil},
		{"the newest that is complete everywhere", []wire.Volume{holding(older, newer), holding(older, newer), holding(older, "-"+newer)}, "", older, nil},
		{"the wanted one", []wire.Volume{holding(older, newer), holding(older, newer), holding(older, newer)}, older, older, nil},
		{"no backup", make([]wire.Volume, 3), "", "", []string{"no backup on the volumes", "<volume>/casshook"}},
		{"without COMPLETE", []wire.Volume{holding(older), holding("-" + older), holding(older)}, "", "", []string{
			"no backup is complete on every volume", "backup " + older + " is on n1, n3 only", "backup " + older + " is not complete on node n2: it has no COMPLETE"}},
		{"without COMPLETE anywhere", []wire.Volume{holding("-" + older), holding("-" + older), holding("-" + older)}, "", "", []string{
			"not complete on node n1", "not complete on node n2", "not complete on node n3"}},
		{"on some nodes only", []wire.Volume{holding(), holding(older), holding(older)}, "", "", []string{"backup " + older + " is on n2, n3 only"}},
		{"two ids mixed", []wire.Volume{holding(newer), holding(older), holding(newer)}, "", "", []string{
			"backup " + older + " is on n2 only; backup " + newer + " is on n1, n3 only"}},
		{"the wanted one is not there", []wire.Volume{holding(older), holding(older), holding(older)}, newer, "", []string{"backup " + newer + " is complete on 0 of 3 volumes"}},
		{"the wanted one is on some nodes only", []wire.Volume{holding(older, newer), holding(older), holding(older, "-"+newer)}, newer, "", []string{
			"backup " + newer + " is complete on 1 of 3 volumes: it is on n1 only; backup " + newer + " is not complete on node n3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := choose(names(), c.volumes, c.wanted)
			if c.refuse == nil {
				require.NoError(t, err)
				require.Equal(t, c.want, got)
				return
			}
			require.Equal(t, flow.Corrupt, flow.CodeOf(err))
			require.Empty(t, got)
			for _, text := range c.refuse {
				require.ErrorContains(t, err, text)
			}
		})
	}
}

func TestChooseSaysNothingOfOtherBackups(t *testing.T) {
	t.Parallel()
	_, err := choose(names(), []wire.Volume{holding("-" + older), holding(), holding()}, newer)
	require.NotContains(t, err.Error(), older)
}

// backupOf3 is the documents of three nodes h1 to h3, and the facts of the nodes.
func backupOf3(t *testing.T) ([]wire.Facts, []wire.OpenResult) {
	t.Helper()
	cluster := document.Cluster{Version: document.Version, BackupID: older, ClusterName: "c"}
	complete := document.Complete{Nodes: map[string]string{}}
	var facts []wire.Facts
	for i, host := range []string{"h1", "h2", "h3"} {
		cluster.Members = append(cluster.Members, document.Member{HostID: host, Name: names()[i], Release: "4.1.10"})
		complete.Nodes[host] = "digest"
		facts = append(facts, wire.Facts{HostID: host, Release: "4.1.10"})
	}
	content, err := document.Encode(cluster)
	require.NoError(t, err)
	rows, err := document.EncodeLines([]schema.Row{{Keyspace: "ks", Type: "keyspace", Name: "ks", Statement: "CREATE KEYSPACE ks"}})
	require.NoError(t, err)
	grants, err := document.EncodeLines([]schema.Grant{{Role: "r", Resource: "data/ks", Permissions: []string{"SELECT"}}})
	require.NoError(t, err)
	var opened []wire.OpenResult
	for i := range facts {
		opened = append(opened, wire.OpenResult{
			Volume: "original-" + names()[i], Member: cluster.Members[i], Complete: complete, CompleteDigest: "same",
			Cluster: content, Schema: rows, Grants: grants,
		})
	}
	return facts, opened
}

func TestNewSource(t *testing.T) {
	t.Parallel()
	facts, opened := backupOf3(t)
	s, err := newSource(older, names(), facts, opened)
	require.NoError(t, err)
	require.Equal(t, older, s.id)
	require.Equal(t, "c", s.cluster.ClusterName)
	require.Equal(t, []schema.Row{{Keyspace: "ks", Type: "keyspace", Name: "ks", Statement: "CREATE KEYSPACE ks"}}, s.rows)
	require.Equal(t, []schema.Grant{{Role: "r", Resource: "data/ks", Permissions: []string{"SELECT"}}}, s.grants)
	require.Equal(t, opened, s.opened)
}

func TestNewSourceRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func([]wire.Facts, []wire.OpenResult)
		code flow.Code
		want []string
	}{
		{"COMPLETE differs", func(_ []wire.Facts, o []wire.OpenResult) { o[1].CompleteDigest, o[2].CompleteDigest = "x", "y" }, flow.Corrupt,
			[]string{"node n2: its COMPLETE differs from that of node n1", "node n3: its COMPLETE differs"}},
		{"COMPLETE lacks a node", func(_ []wire.Facts, o []wire.OpenResult) { delete(o[0].Complete.Nodes, "h3") }, flow.Corrupt,
			[]string{"COMPLETE lacks node n3 (host id h3)"}},
		{"volume of another node", func(f []wire.Facts, _ []wire.OpenResult) { f[0].HostID, f[1].HostID = f[1].HostID, f[0].HostID }, flow.Precondition,
			[]string{"node n1: the volume is of host id h1 (n1 in the backup), the node has host id h2", "node n2: the volume is of host id h2"}},
		{"new node", func(f []wire.Facts, _ []wire.OpenResult) { f[2].HostID = "h9" }, flow.Precondition, []string{"the node has host id h9"}},
		{"cluster.json", func(_ []wire.Facts, o []wire.OpenResult) { o[0].Cluster = []byte(`{"version":99}`) }, flow.Corrupt, []string{"format 99.0"}},
		{"schema.jsonl", func(_ []wire.Facts, o []wire.OpenResult) { o[0].Schema = []byte("{") }, flow.Corrupt, []string{"schema.jsonl"}},
		{"grants.jsonl", func(_ []wire.Facts, o []wire.OpenResult) { o[0].Grants = []byte(`{"role":"r","more":1}`) }, flow.Corrupt, []string{"grants.jsonl"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			facts, opened := backupOf3(t)
			c.edit(facts, opened)
			s, err := newSource(older, names(), facts, opened)
			require.Nil(t, s)
			require.Equal(t, c.code, flow.CodeOf(err))
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

func TestCheckVolumes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		identities []string
		inPlace    bool
		refuse     string
	}{
		{"all restored", []string{"copy-n1", "copy-n2", "copy-n3"}, false, ""},
		{"all original", []string{"original-n1", "original-n2", "original-n3"}, false, "the volumes of n1, n2, n3 are those"},
		{"one original", []string{"copy-n1", "original-n2", "copy-n3"}, false, "the volumes of n2 are those"},
		{"original, in place", []string{"original-n1", "original-n2", "original-n3"}, true, ""},
		{"restored, in place", []string{"copy-n1", "copy-n2", "copy-n3"}, true, ""},
		{"volume of another node", []string{"original-n2", "original-n3", "original-n1"}, false, ""}, // newSource refuses it
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			facts, opened := backupOf3(t)
			s, err := newSource(older, names(), facts, opened)
			require.NoError(t, err)
			var volumes []wire.Volume
			for _, id := range c.identities {
				volumes = append(volumes, wire.Volume{Identity: id})
			}
			err = s.checkVolumes(names(), volumes, c.inPlace)
			if c.refuse == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, flow.Precondition, flow.CodeOf(err))
			require.ErrorContains(t, err, c.refuse)
			require.ErrorContains(t, err, "--in-place")
			require.ErrorContains(t, err, older)
		})
	}
}

func TestRestoreID(t *testing.T) {
	t.Parallel()
	on := func(identities ...string) []wire.Volume {
		var volumes []wire.Volume
		for _, id := range identities {
			volumes = append(volumes, wire.Volume{Identity: id})
		}
		return volumes
	}
	part := func(include ...string) Options { return Options{Include: include} }
	id := restoreID(older, on("v1", "v2"), Options{})
	require.Regexp(t, "^[0-9a-f]{16}$", id, "the agents accept no other")
	require.Equal(t, id, restoreID(older, on("v2", "v1"), Options{}), "the order of the sessions does not count")
	require.Equal(t, id, restoreID(older, on("v1", "v2"), Options{Workers: 3, Full: true}), "how it is done does not count")
	for _, other := range []string{
		restoreID(newer, on("v1", "v2"), Options{}), restoreID(older, on("v1", "v3"), Options{}), restoreID(older, on("v1"), Options{}),
		restoreID(older, on("v1v2"), Options{}), restoreID(older, on("v1", "v2"), part("ks.t")), restoreID(older, on("v1", "v2"), Options{Exclude: []string{"ks.t"}}),
	} {
		require.NotEqual(t, id, other)
	}
	require.Equal(t, restoreID(older, on("v1"), part("a", "b")), restoreID(older, on("v1"), part("b", "a")))
	require.NotEqual(t, restoreID(older, on("v1"), part("a", "b")), restoreID(older, on("v1"), part("a b")))
	require.NotEqual(t, restoreID(older, on("v1"), part("a")), restoreID(older, on("v1"), Options{Exclude: []string{"a"}}))
}

func steps(at int64, names ...string) []wire.JournalEntry {
	var entries []wire.JournalEntry
	for i, name := range names {
		entries = append(entries, wire.JournalEntry{Time: time.Unix(at+int64(i), 0), Step: name})
	}
	return entries
}

func TestFind(t *testing.T) {
	t.Parallel()
	evidence := []wire.TableLoad{{TableName: document.TableName{Keyspace: "ks", Name: "t"}, SSTables: 2, Taken: 2}}
	report := json.RawMessage(`{}`)
	for _, c := range []struct {
		name     string
		restores [][]wire.RestoreSummary // by volume
		want     earlier
	}{
		{"nothing", [][]wire.RestoreSummary{nil, nil}, earlier{evidence: make([][]wire.TableLoad, 2)}},
		{"another restore", [][]wire.RestoreSummary{{{ID: "other", Done: true, Loaded: true, Steps: steps(1, wire.StepLoading)}}, nil},
			earlier{evidence: make([][]wire.TableLoad, 2)}},
		{"begun", [][]wire.RestoreSummary{{{ID: "id", Steps: steps(1, "staging")}}, nil}, earlier{evidence: make([][]wire.TableLoad, 2)}},
		{"loading on one volume", [][]wire.RestoreSummary{{{ID: "id", Steps: steps(1, "staging")}}, {{ID: "id", Steps: steps(1, "staging", wire.StepLoading)}}},
			earlier{loading: true, evidence: make([][]wire.TableLoad, 2)}},
		{"loaded on one volume", [][]wire.RestoreSummary{nil, {{ID: "id", Loaded: true, Evidence: evidence}}},
			earlier{loaded: true, evidence: [][]wire.TableLoad{nil, evidence}}},
		{"loaded, first volume", [][]wire.RestoreSummary{{{ID: "id", Loaded: true, Evidence: evidence}}, {{ID: "id"}}},
			earlier{loaded: true, evidence: [][]wire.TableLoad{evidence, nil}}},
		{"done on one volume", [][]wire.RestoreSummary{{{ID: "id", Loaded: true, Done: true, Report: report}}, {{ID: "id", Loaded: true}}},
			earlier{loaded: true, done: true, report: report, evidence: make([][]wire.TableLoad, 2)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			volumes := make([]wire.Volume, len(c.restores))
			for i, r := range c.restores {
				volumes[i].Restores = r
			}
			c.want.id = "id"
			require.Equal(t, c.want, find("id", volumes))
		})
	}
}

func TestFinished(t *testing.T) {
	t.Parallel()
	// done is a restore of a backup that ended on v1, v2 at a time.
	done := func(backup string, at int64, opts Options) wire.RestoreSummary {
		id := restoreID(backup, []wire.Volume{{Identity: "v1"}, {Identity: "v2"}}, opts)
		return wire.RestoreSummary{ID: id, BackupID: backup, Volume: "v1", Loaded: true, Done: true, Steps: steps(at, "verifying")}
	}
	begun, elsewhere := done(older, 1, Options{}), done(older, 1, Options{})
	begun.Done = false
	elsewhere.ID, elsewhere.Volume = restoreID(older, []wire.Volume{{Identity: "v0"}, {Identity: "v2"}}, Options{}), "v0"
	part := Options{Include: []string{"ks.t"}}
	for _, c := range []struct {
		name     string
		restores []wire.RestoreSummary // of the first volume
		opts     Options
		want     string // id of the backup
	}{
		{"none", nil, Options{}, ""},
		{"not ended", []wire.RestoreSummary{begun}, Options{}, ""},
		{"ended", []wire.RestoreSummary{done(older, 1, Options{})}, Options{}, older},
		{"on other volumes", []wire.RestoreSummary{elsewhere}, Options{}, ""},
		{"of the wanted backup", []wire.RestoreSummary{done(newer, 2, Options{}), done(older, 1, Options{})}, Options{Backup: older}, older},
		{"of another backup than wanted", []wire.RestoreSummary{done(older, 1, Options{})}, Options{Backup: newer}, ""},
		{"a part of it", []wire.RestoreSummary{done(older, 1, part)}, Options{}, ""},
		{"all of it, a part is asked", []wire.RestoreSummary{done(older, 1, Options{})}, part, ""},
		{"the part that is asked", []wire.RestoreSummary{done(older, 1, part)}, part, older},
		{"the last of two", []wire.RestoreSummary{done(older, 1, Options{}), done(newer, 2, Options{})}, Options{}, newer},
		{"the last of two, listed the other way", []wire.RestoreSummary{done(newer, 2, Options{}), done(older, 1, Options{})}, Options{}, newer},
		{"the last, of an older backup", []wire.RestoreSummary{done(older, 2, Options{}), done(newer, 1, Options{})}, Options{}, older},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			volumes := []wire.Volume{{Identity: "v1", Restores: c.restores}, {Identity: "v2"}}
			e, backup, ok := finished(volumes, c.opts)
			require.Equal(t, c.want, backup)
			require.Equal(t, c.want != "", ok)
			require.Equal(t, ok, e.done)
			if ok {
				require.Equal(t, restoreID(backup, volumes, c.opts), e.id)
			}
		})
	}
}
