package document

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Documents of earlier releases have UUIDs with dashes; whoever reads them sees one spelling.
func TestTableIDsHaveOneSpelling(t *testing.T) {
	t.Parallel()
	const compact = "0123456789abcdef0123456789abcdef"
	for _, id := range []string{compact, "01234567-89ab-cdef-0123-456789abcdef", "01234567-89AB-CDEF-0123-456789ABCDEF"} {
		var c Cluster
		require.NoError(t, Decode(fmt.Appendf(nil, `{"version":1,"backupId":"casshook-20261121T101530Z-4f2a","tables":[{"keyspace":"ks","name":"t","id":%q}]}`, id), &c))
		require.Equal(t, compact, c.Tables[0].ID)
	}
	var c Cluster
	err := Decode([]byte(`{"version":1,"backupId":"casshook-20261121T101530Z-4f2a","tables":[{"keyspace":"ks","name":"t","id":"../x"}]}`), &c)
	require.ErrorContains(t, err, `with id "../x": not a table id`)
}
