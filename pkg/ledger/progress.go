package ledger

import "encoding/json"

// Progress is how far a restore came on all volumes of a ring.
type Progress struct {
	ID string
	// Stage is the furthest of any volume: that data is loaded, or that all is
	// done, is recorded only after it was so on all nodes.
	Stage Stage
	// Evidence is what each volume's load recorded.
	Evidence [][]Load
	Report   json.RawMessage
}

// Find sums up the restore with an id over the volumes of a ring.
func Find(id string, volumes []Volume) Progress {
	p := Progress{ID: id, Evidence: make([][]Load, len(volumes))}
	for i, v := range volumes {
		for _, r := range v.Restores {
			if r.ID != id {
				continue
			}
			p.Stage = max(p.Stage, r.Stage)
			p.Evidence[i] = r.Evidence
			if r.Stage == Done {
				p.Report = r.Report
			}
		}
	}
	return p
}

// Finished finds the last restore of everything that is done on these very
// volumes, where no backup is left to choose. Only the backup with the wanted id
// counts, if that is not empty.
func Finished(volumes []Volume, wanted string) (Progress, string, bool) {
	var last *Restore
	for _, v := range volumes {
		for _, r := range v.Restores {
			ended := r.Stage == Done && r.ID == restoreOn(volumes, r.BackupID, All()) && (wanted == "" || r.BackupID == wanted)
			if ended && (last == nil || r.last().After(last.last())) {
				last = &r
			}
		}
	}
	if last == nil {
		return Progress{}, "", false
	}
	return Find(last.ID, volumes), last.BackupID, true
}

// Leftovers lists the backups whose files a restore that stopped may have left in
// live directories of a scope: whatever was to be restored then, and from which
// backup.
func Leftovers(volumes []Volume, scope Scope) []string {
	var backups []string
	seen := map[string]bool{}
	for _, v := range volumes {
		for _, r := range v.Restores {
			if v.Here(r) && r.Stage == Loading && !r.Offline && r.Scope.Meets(scope) && !seen[r.BackupID] {
				seen[r.BackupID] = true
				backups = append(backups, r.BackupID)
			}
		}
	}
	return backups
}
