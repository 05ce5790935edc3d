package ledger

import (
	"maps"
	"slices"
)

// Decision is what a restore through the running ring does, on all volumes of it.
type Decision struct {
	// Action is that of all volumes. Where some refuse, it is the refusal, and Nodes
	// are those that refuse.
	Action Action
	Nodes  []string
	// Others are the nodes that were not cleaned, where some were.
	Others []string
	// Progress of this very restore.
	Progress
	// Cleaned is set where the cleaner put all data in place.
	Cleaned bool
	// Leftovers are backups of which a restore that stopped may have left files in
	// live directories of the scope.
	Leftovers []string
}

// Decide applies the rules to the volumes of a running ring for one restore of a
// backup. It is a decision about the whole ring: what one volume says of this
// restore holds for all, since stages are recorded only once all nodes are there;
// what the cleaner did must be done on all volumes or on none.
func Decide(volumes []Volume, backup string, scope Scope, r Request) Decision {
	d := Decision{Progress: Find(restoreOn(volumes, backup, scope), volumes), Leftovers: Leftovers(volumes, scope)}
	all := tally{refused: map[Action][]string{}}
	for _, v := range volumes {
		b, _ := v.Backup(backup)
		s := StateFor(v, b, d.ID, scope)
		if !s.Offline {
			s.Stage = max(s.Stage, d.Stage)
		}
		all.add(v, s, v.Cleaned(backup) != nil, Next(r, s))
	}
	switch {
	case len(all.half) > 0:
		d.Action, d.Nodes = RefuseCleaning, all.half
	case len(all.cleaned) > 0 && len(all.not) > 0:
		d.Action, d.Nodes, d.Others = RefuseMixed, all.cleaned, all.not
	default:
		d.Action, d.Nodes = all.together()
	}
	d.Cleaned = d.Action == Prove && all.offline
	return d
}

// tally is what the rules say of the volumes of a ring, one by one.
type tally struct {
	// half, cleaned and not are the nodes by what the cleaner did.
	half, cleaned, not []string
	refused            map[Action][]string
	// action of the volumes that do not refuse; offline where the cleaner's restore
	// counts on any of them.
	action  Action
	offline bool
}

func (t *tally) add(v Volume, s State, cleaned bool, a Action) {
	switch {
	case s.Offline && s.Stage.Destroys():
		t.half = append(t.half, v.Node)
	case cleaned:
		t.cleaned = append(t.cleaned, v.Node)
	default:
		t.not = append(t.not, v.Node)
	}
	if a.Refuses() {
		t.refused[a] = append(t.refused[a], v.Node)
		return
	}
	t.action = a
	t.offline = t.offline || s.Offline
}

// together is the action of all, or the refusal: that which comes first by its name
// where there are several kinds.
func (t *tally) together() (Action, []string) {
	for _, a := range slices.Sorted(maps.Keys(t.refused)) {
		return a, t.refused[a]
	}
	return t.action, nil
}
