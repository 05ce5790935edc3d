package ledger

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Why no backup could be chosen.
var (
	// ErrNoBackup: there is no backup, or none of the wanted id.
	ErrNoBackup = errors.New("no backup")
	// ErrIncomplete: there is one, but not complete on every volume.
	ErrIncomplete = errors.New("no complete backup")
)

// Choose picks the backup that verify, plan, after-restore and the cleaner work
// on: the wanted one, or the newest that claims to be complete on every volume.
// The error wraps ErrNoBackup or ErrIncomplete and names the nodes.
func Choose(volumes []Volume, wanted string) (string, error) {
	complete, incomplete := holders(volumes)
	ids := slices.Concat(slices.Collect(maps.Keys(complete)), slices.Collect(maps.Keys(incomplete)))
	slices.Sort(ids) // ids begin with their time
	ids = slices.Compact(ids)
	switch {
	case len(ids) == 0:
		return "", choiceError{ErrNoBackup, "no backup on the volumes: nothing under <volume>/casshook of any node"}
	case wanted != "" && !slices.Contains(ids, wanted):
		return "", choiceError{ErrNoBackup, fmt.Sprintf("backup %s is not on the volumes, which have %s", wanted, strings.Join(ids, ", "))}
	case wanted != "":
		ids = []string{wanted}
	}
	for _, id := range slices.Backward(ids) {
		if len(complete[id]) == len(volumes) {
			return id, nil
		}
	}
	what := "no backup is complete on every volume"
	if wanted != "" {
		what = fmt.Sprintf("backup %s is complete on %d of %d volumes", wanted, len(complete[wanted]), len(volumes))
	}
	return "", choiceError{ErrIncomplete, what + ": " + strings.Join(whereabouts(ids, complete, incomplete), "; ")}
}

// whereabouts says of each backup on which nodes it is, and on which not complete.
func whereabouts(ids []string, complete, incomplete map[string][]string) []string {
	var found []string
	for _, id := range ids {
		if nodes := complete[id]; len(nodes) > 0 {
			found = append(found, fmt.Sprintf("backup %s is on %s only", id, strings.Join(nodes, ", ")))
		}
	}
	for _, id := range ids {
		for _, node := range incomplete[id] {
			where := ""
			if node != "" { // the cleaner sees one volume
				where = " on node " + node
			}
			found = append(found, fmt.Sprintf("backup %s is not complete%s: COMPLETE is missing", id, where))
		}
	}
	return found
}

// holders lists the nodes by backup: those where it is complete, and the others.
func holders(volumes []Volume) (complete, incomplete map[string][]string) {
	complete, incomplete = map[string][]string{}, map[string][]string{}
	for _, v := range volumes {
		for _, b := range v.Backups {
			if b.Complete {
				complete[b.ID] = append(complete[b.ID], v.Node)
			} else {
				incomplete[b.ID] = append(incomplete[b.ID], v.Node)
			}
		}
	}
	return complete, incomplete
}

type choiceError struct {
	kind error
	text string
}

func (e choiceError) Error() string { return e.text }
func (e choiceError) Unwrap() error { return e.kind }
