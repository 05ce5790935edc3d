package ledger

import "time"

// Lock is the lock file of a volume.
type Lock struct {
	Holder    string `json:"holder"`
	Operation string `json:"operation"`
	BackupID  string `json:"backupId,omitempty"`
	// Volume is the identity of the volume that it was written on. A lock that
	// came along with a copy is nobody's.
	Volume string    `json:"volume"`
	Since  time.Time `json:"since"`
	// Parked is set between before-backup and after-backup, when no process
	// holds the lock.
	Parked bool `json:"parked"`
	// Dead is found out when a volume is inspected, and is never in the file: no agent holds the lock, so the run that took it
	// ended without releasing it. The next operation takes the lock over.
	Dead bool `json:"dead,omitempty"`
}

// Keeps tells whether a parked lock is too young for another holder to take it
// over. A lock that was parked by a clock ahead of this one is as young as can be.
func (l Lock) Keeps(holder string, atLeast time.Duration, now time.Time) bool {
	return l.Parked && l.Holder != holder && TooYoung(l.Since, atLeast, now)
}

// TooYoung tells whether what was parked at a time is younger than a limit.
func TooYoung(since time.Time, atLeast time.Duration, now time.Time) bool {
	return max(now.Sub(since), 0) < atLeast
}
