package datacenter

import "fmt"

// Demand is how much a target asks of its datacenters and nodes.
type Demand int

const (
	// Ready is for backups and restores: the operator has nothing to do and every
	// Cassandra is up.
	Ready Demand = iota
	// Running is for what only needs the volumes' documents: the containers run,
	// whatever the datacenter says.
	Running
)

// progressReady is status.cassandraOperatorProgress when the operator is done.
const progressReady = "Ready"

// busy are the conditions that mean that nodes or their volumes change, with what
// a person does (types of status.conditions of cass-operator v1beta1).
func busy() [][2]string {
	return [][2]string{
		{"Resuming", "it is starting again after a stop: wait until it is Ready"},
		{"ScalingUp", "it is being scaled up: wait until all nodes have joined"},
		{"ScalingDown", "it is being scaled down: wait until the nodes have left"},
		{"ReplacingNodes", "nodes are being replaced: wait until they have joined"},
		{"RollingRestart", "a rolling restart is under way: wait for its end"},
		{"Decommission", "it is being decommissioned: back it up before that, or not at all"},
		{"ResizingVolumes", "its volumes are being resized: wait for the end"},
		{"Updating", "it is being updated: wait until the operator is done"},
	}
}

// Problems says why the datacenter cannot be used at a demand, each as a sentence
// that says what to do; none when it can. Ready is what k8ssandra-operator takes
// for it (DatacenterReady of pkg/cassandra/util.go), of the present generation:
// progress alone is Ready also for a datacenter that is stopped.
func (d *Datacenter) Problems(demand Demand) []string {
	if demand == Running {
		return nil
	}
	var found []string
	bad := func(format string, args ...any) {
		found = append(found, fmt.Sprintf("%s %s", d, fmt.Sprintf(format, args...)))
	}
	if d.Deleted {
		bad("is being deleted, and its volumes with it: wait until it is gone, and create or restore it again")
		return found
	}
	if valid, ok := d.Conditions["Valid"]; ok && valid.Status == "False" {
		bad("is not valid: %s: correct its spec%s", valid.Message, d.InOwner())
	}
	if !d.Stopped && d.True("Stopped") {
		bad("is stopped, but about to start: wait, or check that cass-operator is running")
		return found
	}
	if d.Stopped {
		bad("%s", d.stopped())
		return found
	}
	if d.Unseen() {
		bad("%s", d.unseen())
		return found
	}
	for _, b := range busy() {
		if d.True(b[0]) {
			bad("is not ready: %s", b[1])
		}
	}
	if len(found) == 0 {
		d.unready(bad)
	}
	return found
}

// NeverStarted tells that the datacenter was created stopped, as for a restore: one that ran and was stopped has the condition Ready.
func (d *Datacenter) NeverStarted() bool { return d.Stopped && d.Conditions["Ready"].Status == "" }

// stopped is what to do, which depends on what the volumes are: started as they are, they are not restored.
func (d *Datacenter) stopped() string {
	const restore = "is stopped%s: if its volumes were restored, run after-restore with --image, which restores and starts it; " +
		"to start it on its volumes as they are, set spec.stopped to false%s and wait until it is Ready"
	never := ""
	if d.NeverStarted() {
		never = " and was never started"
	}
	return fmt.Sprintf(restore, never, d.InOwner())
}

// Unseen tells that the operator has not ended a pass over the present spec. What the status says is of the time before; at
// a first start there is none for minutes.
func (d *Datacenter) Unseen() bool { return d.ObservedGeneration < d.Generation }

func (d *Datacenter) unseen() string {
	if d.ObservedGeneration == 0 {
		return fmt.Sprintf("is new, and the operator has not processed it yet (generation %d, observed 0), which takes minutes at a first start: wait; "+
			"if nothing happens, check that cass-operator is running and watches namespace %s", d.Generation, d.Namespace)
	}
	return fmt.Sprintf("has changes that the operator has not processed yet (generation %d, observed %d): wait; if nothing happens, check that cass-operator is running",
		d.Generation, d.ObservedGeneration)
}

// unready is what holds where no condition says more.
func (d *Datacenter) unready(bad func(format string, args ...any)) {
	ready := d.Conditions["Ready"]
	switch {
	case ready.Status == "":
		bad("was never Ready: wait until its nodes are started")
	case ready.Status != "True":
		bad("is not Ready%s: check its events, or wait until all nodes are up", because(ready.Message))
	case d.Progress != progressReady:
		bad("is still being changed by the operator (progress %q): wait until it is done", d.Progress)
	}
}

func because(message string) string {
	if message == "" {
		return ""
	}
	return " (" + message + ")"
}

// InOwner says where the spec is written, which is not always the datacenter.
func (d *Datacenter) InOwner() string {
	if d.Owner == "" {
		return ""
	}
	return " in the K8ssandraCluster " + d.Owner
}
