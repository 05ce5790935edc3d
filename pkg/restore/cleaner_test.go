package restore

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/startconfig"
)

// standinRing is the volumes of a stopped ring, and notes what is done to it.
type standinRing struct {
	nodes []ring.StoppedNode
	// volumes are what the cleaner finds, by the name of the node.
	volumes map[string]*standinVolume
	did     []string
	tasks   []ring.CleanTask
	// fails are errors of cleaning, by the name of the node.
	fails map[string]error
	// startErr is that of Start.
	startErr error
	held     bool
	locked   int
}

// standinVolume is a volume with backups of one node.
type standinVolume struct {
	complete []string
	backup   wire.CleanBackup
	state    string
	ran      bool
}

func (s *standinRing) StoppedNodes(context.Context) ([]ring.StoppedNode, error) { return s.nodes, nil }

func (s *standinRing) Clean(_ context.Context, tasks []ring.CleanTask, progress func(node, message string)) ([]ring.CleanOutcome, error) {
	what := "clean"
	if tasks[0].DryRun {
		what = "look"
	}
	s.did, s.tasks = append(s.did, fmt.Sprintf("%s %d %s", what, len(tasks), tasks[0].Backup)), tasks
	outcomes := make([]ring.CleanOutcome, len(tasks))
	for i, task := range tasks {
		progress(task.Node.Name, "looking")
		v := s.volumes[task.Node.Name]
		if err := s.fails[what+" "+task.Node.Name]; err != nil {
			outcomes[i].Err = err
			continue
		}
		id := task.Backup
		if id == "" {
			id = v.complete[len(v.complete)-1]
		}
		backup := v.backup
		if backup.CompleteDigest == "" {
			backup.CompleteDigest = "digest of " + id
		}
		outcomes[i].Result = &wire.CleanResult{State: v.state, BackupID: id, HostID: backup.Member.HostID, Ledger: holding(v.complete...), Backup: &backup, Ran: v.ran}
	}
	return outcomes, nil
}

func (s *standinRing) Start(context.Context, func(string)) error {
	s.did = append(s.did, "start")
	if !s.held {
		return errors.New("started without the lock")
	}
	return s.startErr
}

func (s *standinRing) Acquire(context.Context, []*ring.Session, ring.Claim) (ring.Held, error) {
	s.held = true
	s.locked++
	return s, nil
}

func (s *standinRing) Context(parent context.Context) (context.Context, context.CancelFunc) {
	return context.WithCancel(parent)
}

func (s *standinRing) Park(context.Context) error { return nil }

func (s *standinRing) Release(context.Context) error {
	s.held = false
	return nil
}

func (s *standinRing) Stop(context.Context, func(string)) error {
	s.did = append(s.did, "stop")
	return s.fails["stop"]
}

func (s *standinRing) Deletable(context.Context) error { return s.fails["deletable"] }

func (s *standinRing) SnapshotVolumes(context.Context, time.Duration, func(string)) ([]string, error) {
	s.did = append(s.did, "snapshot")
	return []string{"undo-1", "undo-2"}, s.fails["snapshot"]
}

func (s *standinRing) Delete(_ context.Context, keep bool, _ func(string)) error {
	s.did = append(s.did, fmt.Sprint("delete ", keep))
	return s.fails["delete"]
}

// errRunning ends a test where the restore goes on with the running ring.
var errRunning = errors.New("the ring runs")

func (s *standinRing) Nodes(context.Context) ([]ring.Node, error)                  { return nil, errRunning }
func (s *standinRing) Stopped(context.Context) (bool, error)                       { return true, nil }
func (s *standinRing) Credentials(context.Context) (c ring.Credentials, err error) { return c, nil }

// target describes it.
func (s *standinRing) target() ring.Target {
	return ring.Target{ClusterName: "shop", Place: ring.Place{Namespace: "db", ClusterHash: "here"}, Nodes: s, Locker: s, Stopped: s, Datacenters: s}
}

// stoppedRing is a ring of three nodes with one backup.
func stoppedRing() *standinRing {
	s := &standinRing{volumes: map[string]*standinVolume{}, fails: map[string]error{}}
	var members []document.Member
	for i := 1; i <= 3; i++ {
		members = append(members, document.Member{Name: fmt.Sprintf("n%d", i), HostID: fmt.Sprintf("h%d", i), Datacenter: "dc1", Rack: fmt.Sprintf("r%d", i),
			Tokens: []string{fmt.Sprint(i), fmt.Sprint(-i)}, Release: "5.0.9"})
	}
	for _, m := range members {
		s.nodes = append(s.nodes, ring.StoppedNode{Name: m.Name, Datacenter: "dc1", Rack: m.Rack, Volume: "data-" + m.Name, Identity: "pvc/" + m.Name})
		s.volumes[m.Name] = &standinVolume{complete: []string{older}, state: wire.StatePlanned, backup: wire.CleanBackup{
			ClusterName: "shop", Namespace: "db", ClusterHash: "here", Member: m, Members: members, Formats: []string{"oa big"}, Placement: map[string][]string{"system_auth": {"dc1"}},
		}}
	}
	return s
}

type silent struct{}

func (silent) Begin(string)                     {}
func (silent) End(string, time.Duration, error) {}
func (silent) Progress(string)                  {}

func TestOfflineCleansAllThenStarts(t *testing.T) {
	t.Parallel()
	s := stoppedRing()
	_, err := Offline(t.Context(), s.target(), Options{Peers: PeersAuto}, silent{})
	require.ErrorIs(t, err, errRunning, "then it goes on with the running ring")
	require.Equal(t, []string{"look 3 ", "clean 3 " + older, "start"}, s.did)
	for i, task := range s.tasks {
		require.Equal(t, ring.CleanTask{Node: s.nodes[i], Backup: older, HostID: fmt.Sprintf("h%d", i+1)}, task)
	}
	require.False(t, s.held)
}

func TestOfflineTakesTheNewestBackupOfAll(t *testing.T) {
	t.Parallel()
	s := stoppedRing()
	s.volumes["n1"].complete = []string{older, newer}
	_, err := Offline(t.Context(), s.target(), Options{}, silent{})
	require.ErrorIs(t, err, errRunning)
	require.Equal(t, []string{"look 3 ", "look 3 " + older, "clean 3 " + older, "start"}, s.did)
}

func TestOfflineRefusesBeforeAnythingIsTouched(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(s *standinRing, o *Options)
		code   flow.Code
		text   string
	}{
		"a part": {func(_ *standinRing, o *Options) { o.Include = []string{"a.b"} }, flow.Usage, "a partial restore needs a running ring"},
		"a volume of another backup": {func(s *standinRing, _ *Options) { s.volumes["n2"].complete = []string{newer} }, flow.Corrupt,
			"no backup is complete on every volume"},
		"another COMPLETE":                {func(s *standinRing, _ *Options) { s.volumes["n2"].backup.CompleteDigest = "x" }, flow.Corrupt, "node n2: its COMPLETE differs"},
		"a node of the backup is missing": {func(s *standinRing, _ *Options) { s.nodes = s.nodes[:2] }, flow.Precondition, "the volume of n3 (host id h3, dc1/r3) is not here"},
		"one volume twice": {func(s *standinRing, _ *Options) { s.volumes["n2"].backup.Member = s.volumes["n1"].backup.Member }, flow.Precondition,
			"the volumes of n1 and n2 both belong to host id h1"},
		"another cluster": {func(s *standinRing, _ *Options) {
			for _, v := range s.volumes {
				v.backup.ClusterName = "other"
			}
		}, flow.Precondition, `the backup is of cluster "other", but this is cluster "shop"`},
		"an older Cassandra":       {func(s *standinRing, _ *Options) { s.nodes[1].Config.Release = "4.0.19" }, flow.Precondition, "node n2 is to start with 4.0.19, which is older"},
		"another number of tokens": {func(s *standinRing, _ *Options) { s.nodes[0].Config.NumTokens = 8 }, flow.Precondition, "set num_tokens to 2"},
		"SSTables it cannot read": {func(s *standinRing, _ *Options) {
			s.nodes[2].Config = startconfig.Config{Release: "5.0.9", Compatibility: "CASSANDRA_4"}
		}, flow.Precondition, "node n3, with storage_compatibility_mode CASSANDRA_4: "},
		"automatic repair": {func(s *standinRing, _ *Options) {
			s.nodes[0].Config.Known = true
			s.volumes["n1"].backup.AutoRepair = true
		}, flow.Precondition, "add -Dcassandra.autorepair.enable=true"},
		"another rack":       {func(s *standinRing, _ *Options) { s.nodes[0].Rack = "r9" }, flow.Precondition, "node n1 belongs to dc1/r9, but its volume is of n1 in dc1/r1"},
		"another datacenter": {func(s *standinRing, _ *Options) { s.nodes[0].Datacenter = "dc9" }, flow.Precondition, "node n1 belongs to dc9/r1"},
		"roles elsewhere": {func(s *standinRing, _ *Options) {
			s.volumes["n1"].backup.Placement = map[string][]string{"system_auth": {"dc1", "dc2"}}
		}, flow.Precondition, "system_auth of the backup is replicated to the datacenter dc2"},
		"cleaned in part, and ran since": {func(s *standinRing, _ *Options) {
			s.volumes["n1"].state, s.volumes["n1"].ran = wire.StateUnchanged, true
		}, flow.Precondition,
			"n1 ran since the backup was put in place on their volumes, while n2, n3 were not cleaned"},
		"a damaged volume": {func(s *standinRing, _ *Options) { s.fails["look n3"] = flow.Failf(flow.Corrupt, "not whole") }, flow.Corrupt, "node n3: not whole"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, opts := stoppedRing(), Options{Peers: PeersAuto}
			tt.change(s, &opts)
			_, err := Offline(t.Context(), s.target(), opts, silent{})
			require.ErrorContains(t, err, tt.text)
			require.Equal(t, tt.code, flow.CodeOf(err))
			for _, did := range s.did {
				require.Contains(t, did, "look")
			}
			require.False(t, s.held)
		})
	}
}

func TestOfflineGoesOn(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(s *standinRing, o *Options){
		"where an earlier run cleaned some": func(s *standinRing, _ *Options) { s.volumes["n1"].state = wire.StateUnchanged },
		"where all were cleaned and ran":    func(s *standinRing, _ *Options) { ranSince(s, "n1", "n2", "n3") },
		"where some ran, and it is known":   func(s *standinRing, o *Options) { ranSince(s, "n1"); o.Again = true },
		"where the start fits": func(s *standinRing, _ *Options) {
			s.nodes[0].Config = startconfig.Config{Release: "5.0.10", NumTokens: 2, Compatibility: "NONE", AutoRepair: true, Known: true}
			s.volumes["n1"].backup.AutoRepair = true
		},
		"where the start is not known":        func(s *standinRing, _ *Options) { s.volumes["n1"].backup.AutoRepair = true },
		"where keyspaces name what is absent": func(s *standinRing, _ *Options) { s.volumes["n1"].backup.Placement["old"] = []string{"dc7"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, opts := stoppedRing(), Options{}
			change(s, &opts)
			_, err := Offline(t.Context(), s.target(), opts, silent{})
			require.ErrorIs(t, err, errRunning)
			require.Equal(t, opts.Again, s.tasks[0].Again)
		})
	}
}

func ranSince(s *standinRing, nodes ...string) {
	for _, n := range nodes {
		s.volumes[n].state, s.volumes[n].ran = wire.StateUnchanged, true
	}
}

func TestOfflineStartsNothingHalfCleaned(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]error{"half-way": flow.Failf(flow.HalfWay, "disk full"), "refused": flow.Failf(flow.Precondition, "runs")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stoppedRing()
			s.fails["clean n2"] = cause
			_, err := Offline(t.Context(), s.target(), Options{}, silent{})
			require.ErrorIs(t, err, cause)
			require.Equal(t, flow.HalfWay, flow.CodeOf(err), "the others are cleaned")
			require.ErrorContains(t, err, "start no node, and run the same command again")
			require.NotContains(t, s.did, "start")
		})
	}
	s := stoppedRing()
	s.startErr = errors.New("n1 crashes")
	_, err := Offline(t.Context(), s.target(), Options{}, silent{})
	require.Equal(t, flow.HalfWay, flow.CodeOf(err))
}

// TestPeers: they are kept by themselves only where this is certainly the place of the
// backup.
func TestPeers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		peers      Peers
		there      ring.Place
		here       string // hash of this Kubernetes cluster
		inPlace    bool
		forget     bool
		refusesFor string
	}{
		{PeersAuto, ring.Place{Namespace: "db", ClusterHash: "here"}, "here", false, false, ""},
		{PeersAuto, ring.Place{Namespace: "original", ClusterHash: "here"}, "here", false, true, ""},
		{PeersAuto, ring.Place{Namespace: "db", ClusterHash: "there"}, "here", false, true, ""},
		{PeersAuto, ring.Place{Namespace: "original"}, "here", false, true, ""},
		{PeersAuto, ring.Place{Namespace: "db"}, "here", false, false, "--peers keep"},
		{PeersAuto, ring.Place{Namespace: "db", ClusterHash: "here"}, "", false, false, "--peers keep"},
		{PeersAuto, ring.Place{}, "here", false, false, "--peers keep"},
		{PeersAuto, ring.Place{Namespace: "db"}, "here", true, false, ""},
		{PeersKeep, ring.Place{Namespace: "original", ClusterHash: "there"}, "here", false, false, ""},
		{PeersForget, ring.Place{Namespace: "db", ClusterHash: "here"}, "here", false, true, ""},
	} {
		s := stoppedRing()
		for _, v := range s.volumes {
			v.backup.Namespace, v.backup.ClusterHash = tt.there.Namespace, tt.there.ClusterHash
		}
		target := s.target()
		target.Place.ClusterHash = tt.here
		_, err := Offline(t.Context(), target, Options{Peers: tt.peers, InPlace: tt.inPlace}, silent{})
		if tt.refusesFor != "" {
			require.Equal(t, flow.Precondition, flow.CodeOf(err), "%+v", tt)
			require.ErrorContains(t, err, tt.refusesFor)
			for _, task := range s.tasks {
				require.True(t, task.DryRun, "nothing was cleaned")
			}
			continue
		}
		require.ErrorIs(t, err, errRunning, "%+v", tt)
		require.Equal(t, tt.forget, s.tasks[0].ForgetPeers, "%+v", tt)
	}
}

func TestCleanVolumes(t *testing.T) {
	t.Parallel()
	s := stoppedRing()
	s.nodes = s.nodes[:1]
	c, err := CleanVolumes(t.Context(), Volumes{Cleaner: s, Locker: s, Part: true}, false, Options{}, silent{})
	require.NoError(t, err)
	require.Equal(t, []string{"data-n1"}, c.Volumes)
	require.Equal(t, []string{"n2", "n3"}, c.Others)
	require.Equal(t, []string{"look 1 ", "clean 1 " + older}, s.did)
	require.Equal(t, 1, s.locked)
	require.False(t, s.held)

	s = stoppedRing()
	c, err = CleanVolumes(t.Context(), Volumes{Cleaner: s, Locker: s, Cluster: "shop", Place: ring.Place{Namespace: "db", ClusterHash: "here"}}, true, Options{Full: true}, silent{})
	require.NoError(t, err)
	require.True(t, c.DryRun)
	require.Equal(t, []string{"look 3 "}, s.did)
	require.True(t, s.tasks[0].Full)
	require.Zero(t, s.locked, "looking needs no lock")
}

func TestBeforeTakesAnUndoFirst(t *testing.T) {
	t.Parallel()
	for way, want := range map[Way][]string{
		WayStop: {"stop"}, WayDelete: {"stop", "snapshot", "delete false"}, WayDeleteKeepVolumes: {"stop", "snapshot", "delete true"},
	} {
		s := stoppedRing()
		room, err := Before(t.Context(), s.target(), way, time.Minute, silent{})
		require.NoError(t, err)
		require.Equal(t, want, s.did)
		require.Equal(t, way != WayStop, len(room.Undo) == 2)
		require.False(t, s.held)
	}
	for what, want := range map[string][]string{"deletable": nil, "stop": {"stop"}, "snapshot": {"stop", "snapshot"}, "delete": {"stop", "snapshot", "delete false"}} {
		s := stoppedRing()
		s.fails[what] = errors.New("no " + what)
		_, err := Before(t.Context(), s.target(), WayDelete, time.Minute, silent{})
		require.ErrorContains(t, err, "no "+what)
		require.Equal(t, what != "deletable", flow.HalfWay == flow.CodeOf(err))
		require.Equal(t, want, s.did, "nothing is deleted without its undo")
		require.False(t, s.held)
		if what == "snapshot" {
			require.ErrorContains(t, err, "left: the volume snapshots [undo-1 undo-2]")
		}
		if what == "delete" {
			require.ErrorContains(t, err, "undo-1 undo-2")
		}
	}
}
