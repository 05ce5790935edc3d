package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
)

// A node that cannot be looked at has a row with the reason.
func TestStatusOfWhatCannotBeReached(t *testing.T) {
	t.Parallel()
	code, stdout, reason := run(t, "status", "--inventory", ringOfOne(t, "echo 'no memory' >&2; exit 9"))
	require.Equal(t, int(flow.Precondition), code, "nothing could be looked at")
	require.Contains(t, reason, "no memory")
	require.Regexp(t, `(?m)^n1 +node .*no memory`, stdout)
}
