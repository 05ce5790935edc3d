package operatorstandin

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// round is one look at one datacenter.
type round struct {
	*Operator
	dc     *Datacenter
	seen   *Snapshot
	memory *memory
	// status is what the steps change; saved is what the API server has.
	status, saved Status
	// gone says that the datacenter's finalizer has been removed.
	gone bool
	// fingerprint is that of the snapshot.
	fingerprint string
}

// outcome is what a step says: go on, or end the round and wait for something.
type outcome struct {
	end     bool
	waitFor string
}

func proceed() (outcome, error) { return outcome{}, nil }

func wait(format string, arguments ...any) (outcome, error) {
	return outcome{end: true, waitFor: fmt.Sprintf(format, arguments...)}, nil
}

func fail(err error) (outcome, error) { return outcome{end: true}, err }

// step is a part of a round. What it changed of the status is saved after it, also when it fails.
type step struct {
	name string
	do   func(*round, context.Context) (outcome, error)
}

// steps are a round in the order of the real operator (ReconcileAllRacks in pkg/reconciliation/reconcile_racks.go and what
// comes before it in handler.go and in the controller).
func steps() []step {
	return []step{
		{"deletion", (*round).deletion},
		{"cool-down", (*round).coolDown},
		{"unchanged", (*round).unchanged},
		{"validation", (*round).validation},
		{"finalizer", (*round).addFinalizer},
		{"services", (*round).services},
		{"additional seeds", (*round).additionalSeeds},
		{"stateful set controller", (*round).caughtUp},
		{"node statuses", (*round).nodeStatuses},
		{"racks", (*round).createRacks},
		{"rack labels", (*round).rackLabels},
		{"superuser secret", (*round).superuserSecret},
		{"stopped", (*round).stop},
		{"scale", (*round).scale},
		{"pods", (*round).startPods},
		{"host IDs", (*round).hostIDs},
		{"disruption budget", (*round).disruptionBudget},
		{"pod templates", (*round).podTemplates},
		{"pod labels", (*round).podLabels},
		{"quiet period", (*round).quiet},
		{"users", (*round).upsertUsers},
		{"conditions", (*round).clearConditions},
		{"initialized and ready", (*round).initialized},
		{"progress", (*round).complete},
	}
}

func (o *Operator) reconcile(ctx context.Context, object *unstructured.Unstructured, all []unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(ctx, o.waits.Round)
	defer cancel()
	r, err := o.begin(ctx, object, all)
	if err != nil {
		return err
	}
	for _, s := range steps() {
		outcome, err := s.do(r, ctx)
		if err = errors.Join(err, r.saveStatus(ctx)); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if outcome.end {
			r.say(s.name, outcome.waitFor)
			return nil
		}
	}
	r.say("reconciled", "changes")
	return nil
}

func (o *Operator) begin(ctx context.Context, object *unstructured.Unstructured, all []unstructured.Unstructured) (*round, error) {
	dc, unknown, err := decode(object)
	if err != nil {
		return nil, err
	}
	seen, err := look(ctx, o.core, dc)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].GetNamespace() != dc.Namespace || all[i].GetUID() == dc.UID && all[i].GetName() == dc.Name {
			continue
		}
		sibling, _, err := decode(&all[i])
		if err != nil {
			return nil, err
		}
		seen.Siblings = append(seen.Siblings, sibling)
	}
	if o.memories[dc.UID] == nil {
		o.memories[dc.UID] = &memory{sent: map[types.UID]bool{}}
	}
	r := &round{Operator: o, dc: dc, seen: seen, memory: o.memories[dc.UID], status: dc.Status.clone(), saved: dc.Status.clone(),
		fingerprint: seen.fingerprint(dc)}
	if len(unknown) > 0 && !r.memory.unobeyed {
		o.log.Warn("fields without effect in this stand-in", "datacenter", dc.Name, "fields", unknown)
		r.memory.unobeyed = true
	}
	return r, nil
}

// say logs what a round waits for, once.
func (r *round) say(step, waitFor string) {
	if text := step + ": " + waitFor; waitFor != "" && text != r.memory.said {
		r.memory.said = text
		r.log.Info("waiting", "namespace", r.dc.Namespace, "datacenter", r.dc.Name, "step", step, "for", waitFor)
	}
}

// coolDown ends the round while a node was started a moment ago or the datacenter is in a quiet period.
func (r *round) coolDown(context.Context) (outcome, error) {
	if last := r.status.LastNodeStarted; last != nil && r.now().Before(last.Add(r.waits.CoolDown)) {
		return wait("the cool-down after the start of a node")
	}
	if until := r.status.QuietPeriod; until != nil && r.now().Before(until.Time) {
		return wait("the end of a quiet period")
	}
	return proceed()
}

// unchanged ends the round when nothing changed since the last complete one. The real operator sleeps then, until a watch wakes it.
func (r *round) unchanged(context.Context) (outcome, error) {
	if r.memory.completed == r.fingerprint && r.status.Progress == progressReady && r.status.ObservedGeneration == r.dc.Generation {
		return wait("changes")
	}
	return proceed()
}
