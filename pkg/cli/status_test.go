package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
)

// A node that cannot be looked at has a row with the reason.
func TestStatusOfWhatCannotBeReached(t *testing.T) {
	t.Parallel()
	code, stdout, reason := run(t, "status", "--inventory", ringOfOne(t, "echo 'no memory' >&2; exit 9"))
	require.Equal(t, int(flow.Precondition), code, "nothing could be looked at")
	require.Contains(t, reason, "no memory")
	require.Regexp(t, `(?m)^n1 +node .*no memory`, stdout)
}

func TestLockState(t *testing.T) {
	t.Parallel()
	l := ledger.Lock{Holder: "db1-7", Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	require.Equal(t, "held by db1-7 since 2026-01-02T03:04:05Z", lockState(&l))
	l.Dead = true
	require.Equal(t, "taken by db1-7 at 2026-01-02T03:04:05Z, which is dead: the next operation takes it over", lockState(&l))
	l.Parked, l.Dead = true, false
	require.Equal(t, "parked by db1-7 since 2026-01-02T03:04:05Z", lockState(&l))
}
