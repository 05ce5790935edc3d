package restore_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/restore"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// TestForeignSSTablesAreRefused: what somebody copied into a live directory must not be
// mixed with what is restored.
func TestForeignSSTablesAreRefused(t *testing.T) {
	t.Parallel()
	p := pointOf(t)
	r := p.back(t)
	r.CopyIn("shop", "orders", "last month")
	before := r.Content()
	_, err := restore.Online(t.Context(), r.Target(), options, &ringtest.Steps{})
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.ErrorContains(t, err, "Cassandra does not know 1 SSTables in live directories")
	require.ErrorContains(t, err, "nb-900000-big")
	require.ErrorContains(t, err, "--move-foreign")
	require.Equal(t, before, r.Content(), "refused before the TRUNCATE")
	require.Empty(t, r.Locks())

	moving := options
	moving.MoveForeign = true
	report, err := restore.Online(t.Context(), r.Target(), moving, &ringtest.Steps{})
	require.NoError(t, err)
	require.Equal(t, p.wanted, r.Content())
	require.Contains(t, strings.Join(report.Warnings, "\n"), "moved to casshook/foreign-casshook-")
}
