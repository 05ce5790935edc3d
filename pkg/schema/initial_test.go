package schema

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What 4.0.19 and 4.1.10 print, and what creates the aggregate again.
func TestInitialConditionsAreQuoted(t *testing.T) {
	t.Parallel()
	const id = "123e4567-e89b-12d3-a456-426614174000"
	for printed, want := range map[string]string{
		"2020-01-01T00:00:00.000Z":   "'2020-01-01T00:00:00.000Z'",
		"[2020-01-01T00:00:00.000Z]": "['2020-01-01T00:00:00.000Z']",
		"2020-01-01":                 "'2020-01-01'",
		"08:12:54.000000000":         "'08:12:54.000000000'",
		"{127.0.0.1, 10.0.0.2}":      "{'127.0.0.1', '10.0.0.2'}",
		"2001:db8:0:0:0:0:0:1":       "'2001:db8:0:0:0:0:0:1'",
		"{'2020-01-01': 1}":          "{'2020-01-01': 1}",
		"'it''s 10.0.0.1'":           "'it''s 10.0.0.1'",
		"(1, 'x', 1.5, 3h, 0x01)":    "(1, 'x', 1.5, 3h, 0x01)",
		id:                           id,
		"{10: 20}":                   "{10: 20}",
		"null":                       "null",
	} {
		head := "CREATE AGGREGATE ks.a(int)\n    SFUNC f\n    STYPE x\n    INITCOND "
		o := &Object{Ref: Ref{Kind: KindAggregate}}
		require.NoError(t, parseAggregate(o, head+printed+";"))
		require.Equal(t, []string{head + want}, o.Create(Target{4, 1}))
	}
}
