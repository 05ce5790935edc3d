package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/ring"
)

// Peers says what cleaned nodes remember of the others.
type Peers string

// Values of Peers.
const (
	// PeersAuto forgets them where the backup is of another namespace: a copy that
	// starts beside the original must not find it.
	PeersAuto   Peers = "auto"
	PeersKeep   Peers = "keep"
	PeersForget Peers = "forget"
)

// cleaner puts a backup in place on the volumes of a ring that does not run.
type cleaner struct {
	volumes  ring.Cleaner
	opts     Options
	observer flow.Observer
	// cluster and place are what the target is; empty where nothing says them.
	cluster string
	place   ring.Place
	// part is set where not all volumes of the ring are meant.
	part bool

	nodes []ring.StoppedNode
	found []*wire.CleanResult
	// failed is how the cleaner failed on each volume.
	failed []error
	forget bool
}

// backup is the id of the backup, once the volumes agree.
func (c *cleaner) backup() string { return c.found[0].BackupID }

// look runs the cleaner without changing anything: it verifies documents and files
// on every volume. Volumes may each hold several backups: it looks until all were
// asked for the same one.
func (c *cleaner) look(ctx context.Context) error {
	var err error
	if c.nodes, err = c.volumes.StoppedNodes(ctx); err != nil {
		return flow.Fail(flow.Precondition, err)
	}
	if c.found, err = c.run(ctx, c.opts.Backup, true); err != nil {
		return err
	}
	id, err := c.choose()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(c.found, func(r *wire.CleanResult) bool { return r.BackupID != id }) {
		if c.found, err = c.run(ctx, id, true); err != nil {
			return err
		}
	}
	// A volume may have been bound by the look only, and is known by that.
	if c.nodes, err = c.volumes.StoppedNodes(ctx); err != nil {
		return flow.Fail(flow.Precondition, err)
	}
	if len(c.nodes) != len(c.found) {
		return flow.Failf(flow.Precondition, "the datacenter changed during the restore: it had %d nodes and now has %d", len(c.found), len(c.nodes))
	}
	return c.compare()
}

// choose is the newest backup that is complete on every volume, or the named one.
func (c *cleaner) choose() (string, error) {
	volumes := make([]ledger.Volume, len(c.found))
	for i, r := range c.found {
		volumes[i] = r.Ledger
		volumes[i].Node = c.nodes[i].Name
	}
	return ring.ChooseBackup(volumes, c.opts.Backup)
}

// run runs the cleaner on all volumes at once. Of several errors the worst code wins.
func (c *cleaner) run(ctx context.Context, backup string, dry bool) ([]*wire.CleanResult, error) {
	outcomes, err := c.volumes.Clean(ctx, c.tasks(backup, dry), func(node, message string) { c.observer.Progress(node + ": " + message) })
	if err != nil {
		return nil, err
	}
	results := make([]*wire.CleanResult, len(outcomes))
	c.failed = make([]error, len(outcomes))
	for i, o := range outcomes {
		results[i], c.failed[i] = o.Result, o.Err
	}
	err = c.failure()
	if !dry && slices.Contains(c.failed, nil) {
		err = flow.AfterChange(err) // the others are cleaned
	}
	return results, err
}

func (c *cleaner) tasks(backup string, dry bool) []ring.CleanTask {
	tasks := make([]ring.CleanTask, len(c.nodes))
	for i, n := range c.nodes {
		tasks[i] = ring.CleanTask{Node: n, Backup: backup, DryRun: dry, InPlace: c.opts.InPlace, Restored: c.opts.Restored, Again: c.opts.Again, Full: c.opts.Full && dry, ForgetPeers: c.forget}
		if !dry {
			tasks[i].HostID = c.found[i].HostID
		}
	}
	return tasks
}

// failure is how the cleaner failed on the volumes, by node; nil where it did not. What several say alike is said once.
func (c *cleaner) failure() error {
	return sayOnce(c.nodes, c.failed)
}

// compare makes sure that the volumes are those of one ring, all of it, and that
// the target can take it. Nothing was changed until then.
func (c *cleaner) compare() error {
	first := c.found[0].Backup
	var corrupt, wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	for i, r := range c.found {
		if r.Backup.CompleteDigest != first.CompleteDigest {
			corrupt = append(corrupt, fmt.Errorf("node %s: its COMPLETE differs from that of node %s: the volumes are not of one backup", c.nodes[i].Name, c.nodes[0].Name))
		}
	}
	if c.cluster != "" && first.ClusterName != c.cluster {
		bad("the backup is of cluster %q, but this is cluster %q", first.ClusterName, c.cluster)
	}
	c.compareNodes(bad)
	c.comparePlacement(bad)
	for i, r := range c.found { // what would keep a node from starting on its cleaned volume
		wrong = append(wrong, c.nodes[i].Config.Compare(c.nodes[i].Name, r.Backup)...)
	}
	c.compareEarlier(bad)
	switch {
	case len(corrupt) > 0:
		return flow.Fail(flow.Corrupt, errors.Join(corrupt...))
	case len(wrong) > 0:
		return flow.Fail(flow.Precondition, errors.Join(wrong...))
	}
	return c.decidePeers()
}

// decidePeers decides what the nodes remember of the others. Left to itself it keeps
// their peers only where this is certainly the place of the backup: the very volumes,
// or the same namespace of the same Kubernetes cluster. A copy that remembers the
// nodes of its original joins them.
func (c *cleaner) decidePeers() error {
	b := c.found[0].Backup
	here, there := c.place, ring.Place{Namespace: b.Namespace, ClusterHash: b.ClusterHash}
	known := here.ClusterHash != "" && there.ClusterHash != ""
	switch {
	case c.opts.Peers != PeersAuto:
		c.forget = c.opts.Peers == PeersForget
	case c.opts.InPlace, known && here == there:
		c.forget = false
	case known, there.Namespace != "" && here.Namespace != there.Namespace:
		c.forget = true
	default:
		return flow.Failf(flow.Precondition, "cannot tell whether this is the place where backup %s was made (namespace %q; its Kubernetes cluster is not recorded, or cannot be read here): "+
			"use --peers keep if it is and the original is gone, --peers forget otherwise", c.backup(), b.Namespace)
	}
	return nil
}

// compareNodes wants each node of the backup on one volume, in its datacenter and
// rack.
func (c *cleaner) compareNodes(bad func(string, ...any)) {
	on := map[string]string{}
	for i, r := range c.found {
		n, m := c.nodes[i], r.Backup.Member
		if other := on[m.HostID]; other != "" {
			bad("the volumes of %s and %s both belong to host id %s (%s in the backup)", other, n.Name, m.HostID, m.Name)
		}
		on[m.HostID] = n.Name
		if (n.Datacenter != "" && n.Datacenter != m.Datacenter) || (n.Rack != "" && n.Rack != m.Rack) {
			bad("node %s belongs to %s/%s, but its volume is of %s in %s/%s", n.Name, n.Datacenter, n.Rack, m.Name, m.Datacenter, m.Rack)
		}
	}
	if c.part {
		return
	}
	for _, m := range c.found[0].Backup.Members {
		if on[m.HostID] == "" {
			bad("the backup is of %d nodes, and the volume of %s (host id %s, %s/%s) is not here: a node that is left as it was wins with its newer schema and data",
				len(c.found[0].Backup.Members), m.Name, m.HostID, m.Datacenter, m.Rack)
		}
	}
}

// comparePlacement refuses roles that nobody could read: with system_auth in a
// datacenter that is not there no login succeeds.
func (c *cleaner) comparePlacement(bad func(string, ...any)) {
	have := map[string]bool{}
	for _, m := range c.found[0].Backup.Members {
		have[m.Datacenter] = true
	}
	for _, dc := range c.found[0].Backup.Placement["system_auth"] {
		if !have[dc] {
			bad("system_auth of the backup is replicated to the datacenter %s, which the ring does not have: nobody could log in; restore into the running datacenter instead (set stopped to false)", dc)
		}
	}
}

// compareEarlier refuses a ring of which some volumes were cleaned, and ran since
// beside others that were not: what is newer on those has spread.
func (c *cleaner) compareEarlier(bad func(string, ...any)) {
	var ran, left []string
	for i, r := range c.found {
		switch {
		case r.State != wire.StateUnchanged:
			left = append(left, c.nodes[i].Name)
		case r.Ran:
			ran = append(ran, c.nodes[i].Name)
		}
	}
	if len(ran) > 0 && len(left) > 0 && !c.opts.Again {
		bad("%s ran since the backup was put in place on their volumes, while %s were not cleaned: newer schema and data have spread; "+
			"to clean all of them again and lose what was written since, say --again", strings.Join(ran, ", "), strings.Join(left, ", "))
	}
}

// clean puts the backup in place on all volumes.
func (c *cleaner) clean(ctx context.Context) error {
	results, err := c.run(ctx, c.backup(), false)
	if err != nil {
		return fmt.Errorf("%w; start no node, and run the same command again", err)
	}
	c.found = results
	return nil
}

// Cleaned is what CleanVolumes did, or would do.
type Cleaned struct {
	BackupID string              `json:"backupId"`
	DryRun   bool                `json:"dryRun,omitempty"`
	Volumes  []string            `json:"volumes"`
	Results  []*wire.CleanResult `json:"results"`
	// Visible is there instead of results where not all volumes could be looked at: what
	// can be seen of each node.
	Visible []VisibleNode `json:"visible,omitempty"`
	// Others are nodes of the backup whose volumes were not named: they must be
	// cleaned, too, before any node starts.
	Others []string `json:"others,omitempty"`
}

// Volumes are of nodes that do not run.
type Volumes struct {
	ring.Cleaner
	// Locker is nil where nothing else could work on them.
	Locker ring.Locker
	// Cluster and Place are the ring's, empty where nothing says them.
	Cluster string
	Place   ring.Place
	// Part says that they need not be all of a ring.
	Part bool
}

// CleanVolumes puts a backup in place on volumes, or looks whether it could.
func CleanVolumes(ctx context.Context, volumes Volumes, dry bool, opts Options, observer flow.Observer) (*Cleaned, error) {
	s := &cleaner{volumes: volumes.Cleaner, opts: opts, observer: observer, cluster: volumes.Cluster, place: volumes.Place, part: volumes.Part}
	steps := []flow.Step{{Name: "inspecting the volumes", Do: s.look}}
	if !dry {
		steps = append(steps, flow.Step{Name: "putting the backup in place", Do: s.clean})
	}
	if volumes.Locker != nil && !dry {
		steps = locked(volumes.Locker, "clean", opts.Backup, steps...)
	}
	if err := flow.Run(ctx, steps, observer); err != nil {
		return nil, err
	}
	return s.cleaned(dry), nil
}

// cleaned sums up what was found, or done, on all volumes.
func (c *cleaner) cleaned(dry bool) *Cleaned {
	sum := &Cleaned{BackupID: c.backup(), DryRun: dry, Results: c.found}
	here := map[string]bool{}
	for i, r := range c.found {
		sum.Volumes = append(sum.Volumes, c.nodes[i].Volume)
		here[r.HostID] = true
	}
	for _, m := range c.found[0].Backup.Members {
		if !here[m.HostID] {
			sum.Others = append(sum.Others, m.Name)
		}
	}
	sort.Strings(sum.Others)
	return sum
}
