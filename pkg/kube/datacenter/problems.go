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
		bad("is stopped: set spec.stopped to false%s and wait until it is Ready", d.InOwner())
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

// unready is what holds where no condition says more.
func (d *Datacenter) unready(bad func(format string, args ...any)) {
	ready := d.Conditions["Ready"]
	switch {
	case d.ObservedGeneration < d.Generation:
		bad("has changes that the operator has not seen yet (generation %d, observed %d): wait, or check that cass-operator is running", d.Generation, d.ObservedGeneration)
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
