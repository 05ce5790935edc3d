package operatorstandin

import "time"

// Waits are all times that the operator waits for something. Zero means not to wait.
type Waits struct {
	// Resync is the pause between two looks at all datacenters.
	Resync time.Duration
	// ManagementAPI is how long the container cassandra must have run before its Management API is called.
	ManagementAPI time.Duration
	// CoolDown follows the start of a node: nothing is done for its datacenter until then.
	CoolDown time.Duration
	// Quiet is one quiet period. Two of them end a stop and a resume, one follows a change of a rack's pod template.
	Quiet time.Duration
	// Settled follows a complete reconcile.
	Settled time.Duration
	// NotReady is how long a started node may be without readiness before its pod is deleted.
	NotReady time.Duration
	// Start, Drain and Request are the limits of one call of the Management API: of lifecycle/start, of node/drain, of others.
	Start, Drain, Request time.Duration
	// Round is the limit of one look at one datacenter.
	Round time.Duration
}

// RealWaits are those of cass-operator after v1.32, as far as they are known:
//   - ManagementAPI, CoolDown, NotReady, Quiet after a template, Settled: pkg/reconciliation/reconcile_racks.go and
//     internal/controllers/cassandra of github.com/k8ssandra/cass-operator;
//   - two Quiet periods: measured, 41 s lie between the last node's start and Ready of a resumed datacenter, and about as
//     much between the last pod's end and progress Ready of a stopped one;
//   - Resync stands for the events that the real one gets from its watches;
//   - Start, Drain, Request, Round: ours. A drain must end within a pod's grace period, which is 120 s.
func RealWaits() Waits {
	return Waits{
		Resync:        time.Second,
		ManagementAPI: 10 * time.Second,
		CoolDown:      20 * time.Second,
		Quiet:         20 * time.Second,
		Settled:       5 * time.Second,
		NotReady:      10 * time.Minute,
		Start:         10 * time.Minute,
		Drain:         2 * time.Minute,
		Request:       60 * time.Second,
		Round:         10 * time.Minute,
	}
}

// FastWaits are RealWaits compressed, for tests that want the order of things and not their duration. None is below a second,
// the grain of times in Kubernetes' objects, and the limits of calls stay, because a busy machine does not get faster.
func FastWaits() Waits {
	waits := RealWaits()
	waits.Resync = 500 * time.Millisecond
	waits.ManagementAPI = time.Second
	waits.CoolDown = time.Second
	waits.Quiet = time.Second
	waits.Settled = 0
	waits.NotReady = 2 * time.Minute
	return waits
}
