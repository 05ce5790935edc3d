package ring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
)

// told is an agent that answers operations as it is told, and others with nothing.
func told(answers map[string]func() (any, error)) func(context.Context, Command) error {
	return script(func(_ context.Context, s *scripted) error {
		for {
			r, err := s.request()
			if err != nil {
				return nil
			}
			answer := wire.Response{ID: r.ID, Result: json.RawMessage(`{}`)}
			if f := answers[r.Op]; f != nil {
				result, err := f()
				if err != nil {
					answer = wire.Response{ID: r.ID, Error: &wire.Error{Message: err.Error()}}
				} else if answer.Result, err = json.Marshal(result); err != nil {
					return err
				}
			}
			if err := s.out.Encode(answer); err != nil {
				return err
			}
		}
	})
}

// smallRing is three nodes that see one another, listed in another order than that of
// their host ids, with CQL that can be told what to say.
type smallRing struct {
	*fakeExec
	mu     sync.Mutex
	facts  map[string]wire.Facts
	logins int
	closed int
	// is what system tables say.
	is Topology
	// loginErr and versionErr are asked each time.
	loginErr, versionErr func() error
	versions             func() wire.SchemaVersions
	waited               func(time.Duration) error
	credentials          Credentials
}

func newSmallRing() *smallRing {
	r := &smallRing{fakeExec: newFakeExec(), facts: map[string]wire.Facts{}, credentials: Credentials{Username: "u", Password: "p"}}
	none := func() error { return nil }
	r.loginErr, r.versionErr = none, none
	r.versions = func() wire.SchemaVersions { return wire.SchemaVersions{"v1": {"10.0.0.1"}} }
	r.is = Topology{ClusterName: "shop", SchemaVersions: map[string][]string{"v1": {"all"}}}
	var endpoints []wire.Endpoint
	for i := 1; i <= 3; i++ {
		m := document.Member{HostID: fmt.Sprintf("h%d", i), Address: fmt.Sprintf("10.0.0.%d", i), Datacenter: "dc1", Rack: "r1"}
		r.is.Members = append(r.is.Members, m)
		endpoints = append(endpoints, wire.Endpoint{Address: m.Address, HostID: m.HostID, Up: true, Normal: true})
	}
	for i, name := range []string{"b", "c", "a"} {
		r.facts[name] = wire.Facts{HostID: fmt.Sprintf("h%d", i+1), Release: "5.0.9", Endpoints: endpoints}
		r.nodes[name] = told(map[string]func() (any, error){
			wire.OpFacts:  func() (any, error) { return r.factsOf(name) },
			wire.OpSchema: func() (any, error) { return r.versions(), nil },
		})
	}
	return r
}

func (r *smallRing) factsOf(name string) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f, ok := r.facts[name]; ok {
		return f, nil
	}
	return nil, errors.New("no answer")
}

func (r *smallRing) Nodes(context.Context) ([]Node, error) {
	var nodes []Node
	for _, name := range []string{"a", "b", "c"} {
		nodes = append(nodes, Node{Node: wire.Node{Name: name, Volume: "/" + name}})
	}
	return nodes, nil
}

func (r *smallRing) Credentials(context.Context) (Credentials, error) { return r.credentials, nil }

func (r *smallRing) login(_ context.Context, _ Dialer, node Node, credentials Credentials) (CQL, error) {
	if node.Name != "b" || credentials != r.credentials {
		return nil, fmt.Errorf("login at %s as %v", node.Name, credentials)
	}
	r.logins++
	if err := r.loginErr(); err != nil {
		return nil, err
	}
	return &smallCQL{ring: r}, nil
}

// smallCQL answers what a connection to a ring begins with.
type smallCQL struct {
	CQL
	ring *smallRing
}

func (c *smallCQL) Ring(context.Context) (Topology, error) { return c.ring.is, nil }
func (c *smallCQL) SchemaVersion(context.Context) (string, error) {
	return "v1", c.ring.versionErr()
}
func (c *smallCQL) WaitAgreement(_ context.Context, patience time.Duration) (string, error) {
	if c.ring.waited != nil {
		return "v1", c.ring.waited(patience)
	}
	return "v1", errors.New("gossip was asked")
}
func (c *smallCQL) Close() { c.ring.closed++ }

// connect opens the ring; it is closed when the test ends.
func (r *smallRing) connect(t *testing.T, settle time.Duration) *Cluster {
	t.Helper()
	c, err := Connect(t.Context(), Target{ClusterName: "shop", SettleTimeout: settle, Nodes: r, Exec: r, Login: r.login})
	require.NoError(t, err)
	return c
}

func TestReadRing(t *testing.T) {
	t.Parallel()
	r := newSmallRing()
	c := r.connect(t, 0)
	require.Equal(t, "a", c.Sessions[0].Node.Name, "as they are listed")
	require.NoError(t, c.ReadRing(t.Context()))
	require.Equal(t, []string{"b", "c", "a"}, c.View.Names, "by host id, which is the order of locks")
	for i, s := range c.Sessions {
		require.Equal(t, c.View.Names[i], s.Node.Name)
		require.Equal(t, fmt.Sprintf("h%d", i+1), c.View.Facts[i].HostID)
	}
	require.Equal(t, r.is.Members, c.View.Members)
	c.Close()
	require.Equal(t, 1, r.closed)
	require.Len(t, r.noted(), 6, "all agents ended")
}

func TestReadRingRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		edit func(*smallRing)
		want string
	}{
		{"a node without Cassandra", func(r *smallRing) { delete(r.facts, "c") }, "every node must be up: node c: no answer"},
		{"another cluster", func(r *smallRing) { r.is.ClusterName = "other" }, `the cluster is called "other"`},
		{"a node that is not listed", func(r *smallRing) { r.is.Members = append(r.is.Members, document.Member{HostID: "h4"}) }, "host id h4"},
		{"a login that fails", func(r *smallRing) {
			r.loginErr = func() error { return flow.Failf(flow.Precondition, "wrong password") }
		}, "wrong password"},
		{"nodes that disagree", func(r *smallRing) { r.versionErr = func() error { return errors.New("the nodes disagree") } }, "the nodes disagree"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newSmallRing()
			tt.edit(r)
			c := r.connect(t, 0)
			defer c.Close()
			err := c.ReadRing(t.Context())
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, flow.Precondition, flow.CodeOf(err))
			require.LessOrEqual(t, r.logins, 1, "without patience it is asked once")
		})
	}
}

// TestReadRingWaitsForAgreement: a schema that somebody changed a moment ago is no reason to
// refuse, where the target says how long that may last.
func TestReadRingWaitsForAgreement(t *testing.T) {
	t.Parallel()
	limit := flow.Wait(t.Context(), flow.Waiting{For: "schema agreement", Limit: time.Nanosecond, Every: time.Nanosecond}, func(context.Context) (string, error) {
		return "the nodes disagree", nil
	})
	require.ErrorIs(t, limit, flow.ErrLimit)
	for _, end := range []error{nil, limit} {
		r := newSmallRing()
		r.versionErr = func() error { return errors.New("asked once") }
		var waited []time.Duration
		r.waited = func(patience time.Duration) error {
			waited = append(waited, patience)
			return end
		}
		c := r.connect(t, 0)
		c.Target.AgreementTimeout = time.Minute
		err := c.ReadRing(t.Context())
		c.Close()
		require.Equal(t, []time.Duration{time.Minute}, waited)
		require.ErrorIs(t, err, end)
		if end != nil {
			require.Equal(t, flow.Precondition, flow.CodeOf(err))
		}
	}
}

// TestReadRingSettles: nodes that came up moments ago need time to see one another.
func TestReadRingSettles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		after  int
		settle time.Duration
		want   string
	}{
		{"at once", 0, time.Minute, ""},
		{"after a while", 3, time.Minute, ""},
		{"too late", 30, 20 * time.Second, "the nodes disagree"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newSmallRing()
				asked := 0
				r.versionErr = func() error {
					if asked++; asked <= tt.after {
						return errors.New("the nodes disagree")
					}
					return nil
				}
				c := r.connect(t, tt.settle)
				err := c.ReadRing(t.Context())
				c.Close()
				require.Equal(t, r.logins, r.closed, "no connection is left")
				if tt.want == "" {
					require.NoError(t, err)
					require.Equal(t, tt.after+1, r.logins)
					return
				}
				require.ErrorContains(t, err, tt.want)
				require.Less(t, r.logins, tt.after)
				require.Greater(t, r.logins, 1)
			})
		})
	}
}

func TestReadRingIsInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newSmallRing()
		ctx, cancel := context.WithCancel(t.Context())
		r.versionErr = func() error { cancel(); return errors.New("the nodes disagree") }
		c := r.connect(t, time.Hour)
		require.Error(t, c.ReadRing(ctx))
		c.Close()
		require.Equal(t, 1, r.logins)
	})
}

func TestWaitAgreement(t *testing.T) {
	t.Parallel()
	two := wire.SchemaVersions{"v1": {"10.0.0.1"}, "v2": {"10.0.0.2"}}
	one := wire.SchemaVersions{"v1": {"10.0.0.1", "10.0.0.2"}}
	for _, tt := range []struct {
		name     string
		versions []wire.SchemaVersions // the last one stays
		want     string
		asked    int
	}{
		{"at once", []wire.SchemaVersions{one}, "", 1},
		{"after some time", []wire.SchemaVersions{two, two, one}, "", 3},
		{"never", []wire.SchemaVersions{two}, "the nodes disagree on the schema", 0},
		{"where only gossip can tell", []wire.SchemaVersions{{}}, "gossip was asked", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newSmallRing()
				asked := 0
				r.versions = func() wire.SchemaVersions {
					asked++
					return tt.versions[min(asked, len(tt.versions))-1]
				}
				c := r.connect(t, 0)
				require.NoError(t, c.ReadRing(t.Context()))
				err := c.WaitAgreement(t.Context(), time.Minute)
				c.Close()
				if tt.asked > 0 {
					require.Equal(t, tt.asked, asked)
				}
				if tt.want == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, tt.want)
			})
		})
	}
}

// noting is a locker that notes what it is asked for.
type noting struct{ claims []Claim }

func (n *noting) Acquire(ctx context.Context, _ []*Session, claim Claim) (Held, error) {
	n.claims = append(n.claims, claim)
	return plainLock{NewHold(ctx)}, nil
}

func TestClusterLock(t *testing.T) {
	t.Parallel()
	locker := &noting{}
	c := &Cluster{Target: Target{Locker: locker}}
	require.NoError(t, c.Unlock(t.Context()), "what was not taken is given back")
	require.NoError(t, c.Lock(t.Context(), "before-backup", "b1", time.Hour))
	require.NoError(t, c.Park(t.Context()))
	require.NoError(t, c.Unlock(t.Context()))
	require.NoError(t, c.Lock(t.Context(), "after-restore", "", 0))
	first, second := locker.claims[0], locker.claims[1]
	require.NotEqual(t, first.Holder, second.Holder, "no two runs have one name")
	first.Holder, second.Holder = "", ""
	require.Equal(t, Claim{Operation: "before-backup", BackupID: "b1", ParkedFor: time.Hour}, first)
	require.Equal(t, Claim{Operation: "after-restore"}, second)
}

func TestConnectFails(t *testing.T) {
	t.Parallel()
	r := newSmallRing()
	r.argvErr["c"] = errors.New("no such pod")
	_, err := Connect(t.Context(), Target{Nodes: r, Exec: r})
	require.ErrorContains(t, err, "node c: agent: no such pod")
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.ElementsMatch(t, []string{"start a", "start b", "end a", "end b"}, r.noted())
}

func TestExecError(t *testing.T) {
	t.Parallel()
	cause := errors.New("exit status 3")
	err := &ExecError{Node: "n1", Argv: []string{"casshook-agent", "serve"}, Code: 3, Err: cause}
	require.EqualError(t, err, "node n1: run casshook-agent serve: exit status 3")
	err.Tail = "no space left"
	require.EqualError(t, err, "node n1: run casshook-agent serve: exit status 3: no space left")
	require.ErrorIs(t, err, cause)
}
