package sstable

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// As Cassandra 5.0.9 wrote it at a compaction, with a last line that is torn.
const compactionLog = `ADD:[/d/ks/t-e6b2d2f0cc5e11f0a5b1d1f0c5e6b2d2/nb-4-big,0,8][2577061283]
REMOVE:[/d/ks/t-e6b2d2f0cc5e11f0a5b1d1f0c5e6b2d2/nb-3gp2_0a1x_4sv282a1uclk7bjbz4-big,1764304923456,8][1085232]
add:[/d/ks/t-e6b2d2f0cc5e11f0a5b1d1f0c5e6b2d2/nb-5-big,0,8][25770612
COMMIT:[,0,0][2613697770]
`

func TestParseTransactionLog(t *testing.T) {
	t.Parallel()
	records, err := ParseTransactionLog([]byte(compactionLog))
	require.NoError(t, err)
	const dir = "/d/ks/t-e6b2d2f0cc5e11f0a5b1d1f0c5e6b2d2"
	require.Equal(t, []LogRecord{
		{Dir: dir, Base: "nb-4-big", Modified: time.UnixMilli(0)},
		{Removes: true, Dir: dir, Base: "nb-3gp2_0a1x_4sv282a1uclk7bjbz4-big", Modified: time.UnixMilli(1764304923456)},
	}, records)
}
