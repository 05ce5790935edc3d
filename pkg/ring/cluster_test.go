package ring

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
)

// lockedOut has no credentials.
type lockedOut struct{}

func (lockedOut) Nodes(context.Context) ([]Node, error) { return nil, nil }

func (lockedOut) Credentials(context.Context) (Credentials, error) {
	return Credentials{}, errors.New("no secret")
}

// TestNoPatienceForCredentials: a ring finds itself with time, a secret does not.
func TestNoPatienceForCredentials(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := (&Cluster{Target: Target{Nodes: lockedOut{}, SettleTimeout: time.Hour}}).ReadRing(ctx)
	require.ErrorContains(t, err, "no secret")
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.NoError(t, ctx.Err(), "it was not waited for")
}
