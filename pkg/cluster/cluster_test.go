package cluster

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// lockedOut is a target that is patient, and has no credentials.
type lockedOut struct{ ring.Target }

func (lockedOut) Credentials(context.Context) (ring.Credentials, error) {
	return ring.Credentials{}, errors.New("no secret")
}

func (lockedOut) Patience() time.Duration { return time.Hour }

// TestNoPatienceForCredentials: a ring finds itself with time, a secret does not.
func TestNoPatienceForCredentials(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := (&Cluster{Target: lockedOut{}}).ReadRing(ctx)
	require.ErrorContains(t, err, "no secret")
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.NoError(t, ctx.Err(), "it was not waited for")
}
