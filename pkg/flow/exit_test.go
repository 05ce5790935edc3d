package flow

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCodeOf(t *testing.T) {
	t.Parallel()
	plain := errors.New("plain")
	locked := Fail(Locked, plain)
	tests := []struct {
		name string
		err  error
		want Code
	}{
		{"nothing", nil, Done},
		{"no code", plain, Failed},
		{"code", locked, Locked},
		{"wrapped", fmt.Errorf("take the lock: %w", locked), Locked},
		{"given twice", Fail(HalfWay, fmt.Errorf("load: %w", locked)), Locked},
		{"given anew", Recode(HalfWay, fmt.Errorf("load: %w", locked)), HalfWay},
		{"format", Failf(Usage, "flag %s: %w", "x", plain), Usage},
		{"format of one with a code", Failf(Usage, "flag: %w", locked), Locked},
		{"of nothing", Fail(Locked, nil), Done},
		{"anew of nothing", Recode(Locked, nil), Done},
		{"joined", errors.Join(plain, locked), Locked},
		{"joined, the worst", errors.Join(Fail(Corrupt, plain), locked), Locked},
		{"joined, the worst first", errors.Join(locked, Fail(Corrupt, plain)), Locked},
		{"joined in a format", fmt.Errorf("rings: %w: %w", locked, Fail(HalfWay, plain)), HalfWay},
		{"joined twice", errors.Join(locked, fmt.Errorf("nodes: %w", errors.Join(plain, Fail(Interrupted, plain)))), Interrupted},
		{"joined with a chain, which has one code", errors.Join(Recode(Corrupt, Fail(HalfWay, plain)), Fail(Precondition, plain)), Corrupt},
		{"joined, and given", Fail(HalfWay, errors.Join(plain, locked)), Locked},
		{"joined, and given for the first time", Fail(HalfWay, errors.Join(plain, plain)), HalfWay},
		{"joined of nothing", Fail(Locked, errors.Join(nil, nil)), Done},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, CodeOf(tt.err))
			if tt.err != nil {
				require.ErrorIs(t, tt.err, plain)
				require.Contains(t, tt.err.Error(), "plain")
			}
		})
	}
}

// TestTheWorstCodeWins joins errors of all codes in pairs, as several rings do.
func TestTheWorstCodeWins(t *testing.T) {
	t.Parallel()
	order := []Code{Failed, Usage, Precondition, Corrupt, Locked, Differences, HalfWay, Interrupted}
	for i, better := range order {
		for _, worse := range order[i:] {
			a, b := Failf(better, "ring a"), Failf(worse, "ring b")
			require.Equal(t, worse, CodeOf(errors.Join(a, b)), "%d and %d", better, worse)
			require.Equal(t, worse, CodeOf(errors.Join(b, a)), "%d and %d", worse, better)
		}
	}
}

func TestCodesNamesAll(t *testing.T) {
	t.Parallel()
	for _, code := range []Code{Done, Failed, Usage, Precondition, Corrupt, HalfWay, Differences, Locked, Interrupted} {
		require.Equal(t, 1, strings.Count(Codes, fmt.Sprintf("\n  %-4d ", code)), code)
	}
	require.Equal(t, 9, strings.Count(Codes, "\n"))
}
