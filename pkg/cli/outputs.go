package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/escape"
	"github.com/casshook/casshook/pkg/report"
	"github.com/casshook/casshook/pkg/restore"
)

// phaseOutput is what Kanister looks for in the log of a phase: a line with it and a JSON object of key and value, both
// strings (pkg/output of github.com/kanisterio/kanister). A value that is no string fails the phase.
const phaseOutput = "###Phase-output###:"

// output is one key with its values, one for each ring.
type output struct {
	key    string
	values []string
}

// outputs prints them, when Kanister is to read them. The values of several rings are joined by commas.
func (a *app) outputs(all []output) error {
	if a.output != report.FormatKanister {
		return nil
	}
	for _, o := range all {
		line, err := json.Marshal(map[string]string{"key": o.key, "value": escape.Text(strings.Join(o.values, ","))})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(a.stdout, phaseOutput, string(line)); err != nil {
			return err
		}
	}
	return nil
}

// column makes one output of a field of every result.
func column[T any](key string, results []T, value func(T) string) output {
	o := output{key: key}
	for _, r := range results {
		o.values = append(o.values, value(r))
	}
	return o
}

func backupOutputs(results []*backup.Result) []output {
	return []output{
		column("backupId", results, func(r *backup.Result) string { return r.BackupID }),
		column("skewMs", results, func(r *backup.Result) string { return strconv.FormatFloat(r.Skew.StartMS, 'f', 2, 64) }),
		column("windowMs", results, func(r *backup.Result) string { return strconv.FormatFloat(r.Skew.TotalMS, 'f', 2, 64) }),
		column("nodes", results, func(r *backup.Result) string { return strconv.Itoa(len(r.Nodes)) }),
		column("tables", results, func(r *backup.Result) string { return strconv.Itoa(r.Tables) }),
		column("bytes", results, func(r *backup.Result) string {
			sum := int64(0)
			for _, n := range r.Nodes {
				sum += n.Bytes
			}
			return strconv.FormatInt(sum, 10)
		}),
	}
}

func restoreOutputs(results []*restore.Report) []output {
	results = slices.DeleteFunc(slices.Clone(results), func(r *restore.Report) bool { return r == nil })
	if len(results) == 0 {
		return nil
	}
	return []output{
		column("backupId", results, func(r *restore.Report) string { return r.BackupID }),
		column("verdict", results, verdictOf),
	}
}
