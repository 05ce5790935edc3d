package generate

import (
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the files that tests compare with")

// root is where the checked-in files are.
const root = "../.."

func TestCheckedIn(t *testing.T) {
	files, err := Generate(Default())
	require.NoError(t, err)
	if *update {
		require.NoError(t, Write(root, files))
	}
	diff, err := Compare(root, files, true)
	require.NoError(t, err)
	require.Empty(t, diff, "the checked-in files are old: go test ./pkg/generate -run TestCheckedIn -update, and remove what is no longer made")
}

// TestConfigShowsDefaults keeps the annotated config file true.
func TestConfigShowsDefaults(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(root + "/examples/generate.yaml")
	require.NoError(t, err)
	o := Options{Invocation: DefaultInvocation}
	require.NoError(t, ReadConfig(content, &o))
	require.Equal(t, Default(), o)
}

func TestDeterministic(t *testing.T) {
	t.Parallel()
	want, err := Generate(everything())
	require.NoError(t, err)
	for range 20 {
		got, err := Generate(everything())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	seen := map[string]bool{}
	for _, f := range want {
		require.False(t, seen[f.Path], "%s is listed twice", f.Path)
		seen[f.Path] = true
		require.True(t, generated(f.Content), "%s would not be overwritten", f.Path)
		require.Equal(t, byte('\n'), f.Content[len(f.Content)-1], f.Path)
	}
}
