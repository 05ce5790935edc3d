package cli

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
)

var update = flag.Bool("update", false, "write the files that tests compare with")

const referenceFile = "../../docs/reference.md"

func TestReference(t *testing.T) {
	if *update {
		require.NoError(t, os.MkdirAll("../../docs", 0o755))
		require.NoError(t, os.WriteFile(referenceFile, []byte(Reference()), 0o644))
	}
	want, err := os.ReadFile(referenceFile)
	require.NoError(t, err)
	require.Equal(t, string(want), Reference(), "docs/reference.md is old: go test ./pkg/cli -run TestReference -update")
}

func TestReferenceIsWhole(t *testing.T) {
	t.Parallel()
	text := Reference()
	require.Contains(t, text, flow.Codes)
	require.Equal(t, 1, strings.Count(text, flow.Codes))
	require.Contains(t, text, "| `-o, --output string` | `table` | `CASSHOOK_OUTPUT` | output format: table, json, yaml, or kanister (adds the outputs of a Kanister phase); one document per ring |\n")
	for _, cmd := range everyCommand(testApp().root()) {
		if !cmd.HasParent() || cmd.Name() == "help" || cmd.Parent().Name() == "completion" {
			continue
		}
		require.Contains(t, text, "\n## "+cmd.Name()+"\n")
		for _, f := range flagsOf(cmd) {
			require.Contains(t, text, "--"+f.Name)
			require.Equal(t, !destroys(f.Name), strings.Contains(text, "`"+environmentName(f.Name)+"`"), f.Name)
		}
	}
}
