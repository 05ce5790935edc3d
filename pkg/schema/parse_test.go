package schema

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseRealSchemas(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			rows := realRows(t, version)
			s := realSchema(t, version)
			require.Len(t, s.Objects, len(rows)+1, "all rows and the trigger")
			d, err := Compare(s, realSchema(t, version), CompareOptions{})
			require.NoError(t, err)
			require.Len(t, d.Changes, len(s.Objects))
			for _, ch := range d.Changes {
				require.Equal(t, Keep, ch.Verdict, "%s: %s", ch.Ref, ch.Reason)
			}
		})
	}
}
