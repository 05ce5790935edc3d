package restore

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
)

// Report is what a restore did and found.
type Report struct {
	BackupID  string    `json:"backupId"`
	RestoreID string    `json:"restoreId"`
	Created   time.Time `json:"created"`
	// Skew is how far apart the snapshots of the nodes are.
	Skew     document.Skew `json:"skew"`
	Finished time.Time     `json:"finished"`
	// AlreadyDone is set when an earlier run ended this restore and this one did
	// nothing.
	AlreadyDone bool `json:"alreadyDone,omitempty"`
	// Scope is what was restored.
	Scope       ledger.Scope `json:"scope"`
	Nodes       []string     `json:"nodes"`
	Tables      []TableProof `json:"tables"`
	Objects     []Object     `json:"objects"`
	Warnings    []string     `json:"warnings,omitempty"`
	Differences []string     `json:"differences,omitempty"`
	// AgeSeconds is the backup's age when the restore ended.
	AgeSeconds int64 `json:"ageSeconds"`
	// SmallestGCGrace of the tables restored, in seconds; RepairAdvised when the
	// backup is older: replicas may have purged tombstones that others lack.
	SmallestGCGrace int  `json:"smallestGcGraceSeconds"`
	RepairAdvised   bool `json:"repairAdvised"`
	// Calls to the agents and Statements of CQL that it took.
	Calls      int   `json:"calls"`
	Statements int64 `json:"statements"`
}

// TableProof is a table or view: SSTables expected and taken, by node.
type TableProof struct {
	document.TableName
	View     bool   `json:"view,omitempty"`
	Verdict  string `json:"verdict"`
	Expected []int  `json:"expected"`
	Taken    []int  `json:"taken"`
}

// differ adds what differs, and what was left out.
func (r *Report) differ(differences []error, skipped []string) {
	for _, d := range differences {
		if d != nil {
			r.Differences = append(r.Differences, strings.Split(d.Error(), "\n")...)
		}
	}
	for _, s := range skipped {
		r.Differences = append(r.Differences, s+" was not restored: --skip")
	}
}

func (r *Report) encode() (json.RawMessage, error) { return json.Marshal(r) }

func (o *online) newReport(ctx context.Context) (*Report, error) {
	r := &Report{
		BackupID: o.source.id, RestoreID: o.earlier.ID, Scope: o.earlier.scope, Created: o.source.cluster.Created, Skew: o.source.cluster.Skew, Finished: time.Now().UTC(),
		Nodes: o.names(), Objects: o.plan.Objects, Warnings: o.plan.Warnings, Statements: o.CQL.Statements(),
	}
	for _, s := range o.Sessions {
		r.Calls += s.Calls()
	}
	r.AgeSeconds = int64(r.Finished.Sub(r.Created).Seconds())
	grace := map[document.TableName]int{}
	for _, t := range o.source.cluster.Tables {
		grace[t.TableName] = t.GCGraceSeconds
	}
	r.SmallestGCGrace = -1
	for _, t := range o.plan.Tables {
		r.Tables = append(r.Tables, o.proof(t))
		if g := grace[t.TableName]; r.SmallestGCGrace < 0 || g < r.SmallestGCGrace {
			r.SmallestGCGrace = g
		}
	}
	r.RepairAdvised = r.SmallestGCGrace >= 0 && r.AgeSeconds > int64(r.SmallestGCGrace)
	return r, ctx.Err()
}

func (o *online) proof(t TablePlan) TableProof {
	p := TableProof{TableName: t.TableName, View: t.View, Verdict: t.Verdict, Expected: slices.Clone(t.SSTables), Taken: make([]int, len(t.SSTables))}
	if o.earlier.Cleaned { // the cleaner put every file in place, which its marker on each volume says
		p.Taken = slices.Clone(t.SSTables)
		return p
	}
	if o.isLoaded() { // what the load was to take; views that were built since are none of it
		p.Expected = make([]int, len(t.SSTables))
	}
	for i, tables := range o.evidence {
		for _, e := range tables {
			if e.Keyspace == t.Keyspace && e.Name == t.Name {
				p.Expected[i], p.Taken[i] = e.SSTables, e.Taken
			}
		}
	}
	return p
}

// NothingDone says that an earlier run ended the restore, and what would do it once
// more.
func (r *Report) NothingDone() string { return doneBefore(r.BackupID, r.Scope) }

// earlierReport is the report of the run that ended this restore.
func (o *online) earlierReport() *Report {
	r := &Report{}
	if err := json.Unmarshal(o.earlier.Report, r); err != nil {
		r = &Report{BackupID: o.source.id, RestoreID: o.earlier.ID, Scope: o.earlier.scope, Warnings: []string{"cannot read the report of the earlier run: " + err.Error()}}
	}
	r.Scope = o.earlier.scope // reports of earlier releases have none
	return r
}
