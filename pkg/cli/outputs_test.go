package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/report"
	"github.com/casshook/casshook/pkg/restore"
)

// TestOutputsAreWhatKanisterReads decodes them as Kanister does: one line each, a marker, an object of two strings.
func TestOutputsAreWhatKanisterReads(t *testing.T) {
	t.Parallel()
	result := &backup.Result{BackupID: "casshook-1", Skew: document.Skew{StartMS: 2.5, TotalMS: 7.25}, Tables: 48,
		Nodes: []backup.NodeResult{{Name: "n1", Bytes: 1000}, {Name: "n2", Bytes: 24}}}
	other := &backup.Result{BackupID: "casshook-2", Tables: 3, Nodes: []backup.NodeResult{{Name: "m1"}}}
	for name, tt := range map[string]struct {
		outputs []output
		want    map[string]string
	}{
		"one ring":  {backupOutputs([]*backup.Result{result}), map[string]string{"backupId": "casshook-1", "skewMs": "2.50", "windowMs": "7.25", "nodes": "2", "tables": "48", "bytes": "1024"}},
		"two rings": {backupOutputs([]*backup.Result{result, other}), map[string]string{"backupId": "casshook-1,casshook-2", "skewMs": "2.50,0.00", "windowMs": "7.25,0.00", "nodes": "2,1", "tables": "48,3", "bytes": "1024,0"}},
		"restore": {restoreOutputs([]*restore.Report{{BackupID: "casshook-1", AlreadyDone: true, Finished: time.Unix(0, 0).UTC()}}),
			map[string]string{"backupId": "casshook-1", "verdict": "backup casshook-1 was restored onto these volumes at 1970-01-01T00:00:00Z: nothing was done"}},
		"no restore": {restoreOutputs(nil), map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			require.NoError(t, (&app{output: report.FormatKanister, stdout: &out}).outputs(tt.outputs))
			got := map[string]string{}
			for _, line := range strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n") {
				if line == "" {
					continue
				}
				payload, found := strings.CutPrefix(line, phaseOutput)
				require.True(t, found, line)
				var pair struct{ Key, Value string }
				require.NoError(t, json.Unmarshal([]byte(payload), &pair))
				got[pair.Key] = pair.Value
			}
			require.Equal(t, tt.want, got)
		})
	}
	var out bytes.Buffer
	require.NoError(t, (&app{output: report.FormatJSON, stdout: &out}).outputs(backupOutputs([]*backup.Result{result})))
	require.Empty(t, out.String(), "a foreign line would break JSON")
}

// TestDocumentsOfSeveralRings can be told apart by a reader of the stream.
func TestDocumentsOfSeveralRings(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{
		report.FormatYAML: "a: 1\n---\na: 2\n", report.FormatJSON: "{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}\n",
	} {
		var out bytes.Buffer
		a := &app{output: format, stdout: &out}
		require.NoError(t, a.print(map[string]int{"a": 1}, nil))
		require.NoError(t, a.print(map[string]int{"a": 2}, nil))
		require.Equal(t, want, out.String())
	}
}

func TestPageOf(t *testing.T) {
	t.Parallel()
	require.Equal(t, "out/r.html", pageOf("out/r.html", 1))
	require.Equal(t, "out/r-2.html", pageOf("out/r.html", 2))
	require.Equal(t, "report-3", pageOf("report", 3))
}
