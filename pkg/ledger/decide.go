package ledger

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
	d := Decision{Progress: Find(RestoreID(backup, volumes, scope), volumes), Leftovers: Leftovers(volumes, scope)}
	var half, cleaned, not []string
	offline := false
	refused := map[Action][]string{}
	for _, v := range volumes {
		b, _ := v.Backup(backup)
		s := StateFor(v, b, d.ID, scope)
		if !s.Offline {
			s.Stage = max(s.Stage, d.Stage)
		}
		switch {
		case s.Offline && s.Stage.Destroys():
			half = append(half, v.Node)
		case v.Cleaned(backup) != nil:
			cleaned = append(cleaned, v.Node)
		default:
			not = append(not, v.Node)
		}
		a := Next(r, s)
		if a.Refuses() {
			refused[a] = append(refused[a], v.Node)
			continue
		}
		d.Action = a
		offline = offline || s.Offline
	}
	switch {
	case len(half) > 0:
		d.Action, d.Nodes = RefuseCleaning, half
	case len(cleaned) > 0 && len(not) > 0:
		d.Action, d.Nodes, d.Others = RefuseMixed, cleaned, not
	default:
		for a, nodes := range refused { // one kind: the others were sorted out before
			d.Action, d.Nodes = a, nodes
		}
	}
	d.Cleaned = d.Action == Prove && offline
	return d
}
