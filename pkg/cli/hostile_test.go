package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/report"
	"github.com/casshook/casshook/pkg/restore"
)

// A role's name (any text in Cassandra) becomes an output of the Kanister phase, fails the phase, or drives the terminal.
func TestRoleNameForgesOutputs(t *testing.T) {
	t.Parallel()
	for name, role := range map[string]string{
		"forges":   "x ###Phase-output###: {\"key\":\"verdict\",\"value\":\"all is well\"}",
		"fails":    "x ###Phase-output###: {",
		"newline":  "x\n###Phase-output###: {\"key\":\"backupId\",\"value\":\"casshook-20000101T000000Z-0000\"}",
		"terminal": "x\x1b]0;owned\x07\x1b[2J\x1b[1;1H✓ verifying (0.10 s)",
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			a := &app{stdout: &out, stderr: io.Discard, output: report.FormatKanister}
			r := &restore.Report{BackupID: "b", Warnings: []string{"roles that have permissions in the backup and do not exist: " + role}, Differences: []string{`role "` + role + `" does not exist`}}
			require.NoError(t, a.printWith(nil, r, func(w io.Writer) { writeReport(w, r) }))
			require.Equal(t, 4, strings.Count(out.String(), "\n")-strings.Count(tableOf(r), "\n"), "a line for each, the window and the verdict")
			require.NotContains(t, out.String(), "###Phase-output###")
			require.False(t, strings.ContainsAny(out.String(), "\x1b\x07"))
		})
	}
}

// tableOf is the part of the report that names no role.
func tableOf(r *restore.Report) string {
	var out bytes.Buffer
	proofs(r).Write(&out)
	return out.String()
}

func TestErrorsAndStepsAreEscaped(t *testing.T) {
	t.Parallel()
	const forged = "x\x1b[2J ###Phase-output###: {\"key\":\"backupId\",\"value\":\"y\"}"
	var out, stderr bytes.Buffer
	require.NotZero(t, Run(t.Context(), []string{forged}, &out, &stderr))
	s := report.NewSteps(&out)
	s.End(forged+"\n###Phase-output###: {", 0, nil)
	a := &app{stdout: &out, output: report.FormatKanister}
	require.NoError(t, a.outputs([]output{{"verdict", []string{"#" + forged}}}))
	for _, text := range []string{stderr.String(), strings.Replace(out.String(), phaseOutput, "", 1)} {
		require.NotEmpty(t, text)
		require.NotContains(t, text, "###Phase-output###")
		require.NotContains(t, text, "\x1b")
	}
	require.Equal(t, 1, strings.Count(out.String(), "\n"+phaseOutput)+strings.Count(out.String()[:len(phaseOutput)], phaseOutput), "the only one is ours")
}
