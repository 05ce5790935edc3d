package cli

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/restore"
)

func TestOfflineUsage(t *testing.T) {
	for name, tt := range map[string]struct {
		args   []string
		reason string
	}{
		"clean on hosts":          {[]string{"clean", "--inventory=ring.yaml"}, "run casshook-agent clean on each node"},
		"clean nowhere":           {[]string{"clean"}, "use --namespace"},
		"peers":                   {[]string{"clean", "-n", "db", "--peers=lose"}, `"lose" is not auto, keep or forget`},
		"peers of a restore":      {[]string{"after-restore", "-n", "db", "--peers=lose"}, "auto, keep or forget"},
		"before-restore on hosts": {[]string{"before-restore", "--stop", "--yes", "--inventory=ring.yaml"}, "on hosts, stop Cassandra"},
		"no way":                  {[]string{"before-restore", "-n", "db", "--yes"}, "pass one of --stop"},
		"two ways":                {[]string{"before-restore", "-n", "db", "--yes", "--stop", "--delete"}, "pass one of --stop"},
		"not meant":               {[]string{"before-restore", "-n", "db", "--delete"}, "pass --yes to confirm"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, reason := run(t, tt.args...)
			require.Equal(t, int(flow.Usage), code, reason)
			require.Contains(t, reason, tt.reason)
			require.Empty(t, stdout)
		})
	}
}

func TestWriteCleaned(t *testing.T) {
	c := &restore.Cleaned{BackupID: "b", Volumes: []string{"data-1"}, Others: []string{"n2"}, Results: []*wire.CleanResult{{
		State: wire.StateCleaned, Node: "n1", Tables: 3, PeersForgotten: true, TablesEmptied: []wire.Emptied{{Path: "/v/data/ks/late-1", Files: 2}}, Foreign: []string{"/v/data/notes.txt"},
	}}}
	var out bytes.Buffer
	writeCleaned(&out, c)
	for _, text := range []string{
		"data-1: not in the backup, emptied: /v/data/ks/late-1 (2 files)", "data-1: unknown, kept: /v/data/notes.txt", "forgotten",
		"warning: the backup also includes n2", "backup b is in place on 1 volume:",
	} {
		require.Contains(t, out.String(), text)
	}
	out.Reset()
	c.DryRun = true
	writeCleaned(&out, c)
	require.Contains(t, out.String(), "nothing was changed")
}
