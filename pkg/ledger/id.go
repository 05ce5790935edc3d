package ledger

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
)

// RestoreID names a restore by the backup, the identities of all volumes and the
// scope: a rerun is the same restore, the same backup on volumes that came back
// once more is another one.
func RestoreID(backup string, volumes []Volume, scope Scope) string {
	identities := make([]string, 0, len(volumes))
	for _, v := range volumes {
		identities = append(identities, v.Identity)
	}
	slices.Sort(identities)
	parts := append([]string{backup}, identities...)
	if !scope.Whole {
		parts = append(parts, "part")
		for _, t := range scope.Tables {
			parts = append(parts, t.Keyspace+"."+t.Name)
		}
	}
	return hash(strings.Join(parts, "\n"))
}

// restoreOn is the id of the restore of a backup onto volumes. One that was begun when
// the volumes bore other names goes on under its id: each of them has its record.
func restoreOn(volumes []Volume, backup string, scope Scope) string {
	id := RestoreID(backup, volumes, scope)
	if len(volumes) == 0 {
		return id
	}
	var last Restore
	for _, r := range volumes[0].of(backup) {
		everywhere := !slices.ContainsFunc(volumes, func(v Volume) bool {
			return !slices.ContainsFunc(v.of(backup), func(other Restore) bool { return other.ID == r.ID })
		})
		switch {
		case r.ID == id:
			return id
		case everywhere && !r.Offline && r.Scope.Covers(scope) && scope.Covers(r.Scope) && !r.last().Before(last.last()):
			last = r
		}
	}
	return cmp.Or(last.ID, id)
}

// CleanID names the cleaning of one volume with a backup. No restore through a
// running ring has such an id.
func CleanID(backup, identity string) string { return hash("clean\n" + backup + "\n" + identity) }

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

var restoreID = regexp.MustCompile(`^[0-9a-f]{16}$`)

// ValidRestoreID tells whether a name is the id of a restore.
func ValidRestoreID(id string) bool { return restoreID.MatchString(id) }

// Resolve fills in what records of earlier releases lack: that a restore was of
// everything, which its id says.
func Resolve(volumes []Volume) []Volume {
	for _, v := range volumes {
		for i, r := range v.Restores {
			if r.Scope.unknown() && (r.Offline || r.ID == RestoreID(r.BackupID, volumes, All())) {
				v.Restores[i].Scope = All()
			}
		}
	}
	return volumes
}
