package restore

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

func TestARefusalOfManyVolumesIsSaidOnce(t *testing.T) {
	t.Parallel()
	original := errors.New("the volume is the one that the backup was made on")
	var nodes []ring.StoppedNode
	var errs []error
	for i := 1; i <= 4; i++ {
		n := ring.StoppedNode{Name: fmt.Sprintf("n%d", i), Volume: fmt.Sprintf("data-%d", i)}
		nodes = append(nodes, n)
		cause := original
		if i == 3 {
			cause = errors.New("disk error")
		}
		errs = append(errs, fmt.Errorf("volume %s of node %s: %w", n.Volume, n.Name, flow.Fail(flow.Precondition, cause)))
	}
	err := sayOnce(nodes, errs)
	require.EqualError(t, err, "nodes n1, n2, n4 (volumes data-1, data-2, data-4): the volume is the one that the backup was made on\n"+
		"node n3: volume data-3 of node n3: disk error")
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.ErrorIs(t, err, original)
	require.NoError(t, sayOnce(nodes, make([]error, 4)))
	require.EqualError(t, sayOnce(nodes, []error{nil, errors.New("a"), nil, nil}), "node n2: a")
}
