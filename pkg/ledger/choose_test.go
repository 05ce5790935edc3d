package ledger

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	older = "casshook-20261121T101530Z-ffff"
	newer = "casshook-20261122T101530Z-0000"
)

// holding is a volume with backups: ids, with a leading "-" where COMPLETE lacks.
func holding(ids ...string) Volume {
	var v Volume
	for _, id := range ids {
		complete := id[0] != '-'
		if !complete {
			id = id[1:]
		}
		v.Backups = append(v.Backups, Backup{ID: id, Complete: complete})
	}
	return v
}

func nodes(volumes ...Volume) []Volume {
	for i := range volumes {
		volumes[i].Node = fmt.Sprintf("n%d", i+1)
	}
	return volumes
}

func TestChoose(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		volumes []Volume
		wanted  string
		want    string
		kind    error
		refuse  []string
	}{
		{"the only one", nodes(holding(older), holding(older), holding(older)), "", older, nil, nil},
		{"the newest wins", nodes(holding(older, newer), holding(newer, older), holding(older, newer)), "", newer, nil, nil},
		{"the newest that is everywhere", nodes(holding(older, newer), holding(older, newer), holding(older)), "", older, nil, nil},
		{"the newest that is complete everywhere", nodes(holding(older, newer), holding(older, newer), holding(older, "-"+newer)), "", older, nil, nil},
		{"the wanted one", nodes(holding(older, newer), holding(older, newer), holding(older, newer)), older, older, nil, nil},
		{"no backup", nodes(make([]Volume, 3)...), "", "", ErrNoBackup, []string{"no backup on the volumes", "<volume>/casshook"}},
		{"without COMPLETE", nodes(holding(older), holding("-"+older), holding(older)), "", "", ErrIncomplete, []string{
			"no backup is complete on every volume", "backup " + older + " is on n1, n3 only", "backup " + older + " is not complete on node n2: COMPLETE is missing"}},
		{"without COMPLETE anywhere", nodes(holding("-"+older), holding("-"+older), holding("-"+older)), "", "", ErrIncomplete, []string{
			"not complete on node n1", "not complete on node n2", "not complete on node n3"}},
		{"on some nodes only", nodes(holding(), holding(older), holding(older)), "", "", ErrIncomplete, []string{"backup " + older + " is on n2, n3 only"}},
		{"two ids mixed", nodes(holding(newer), holding(older), holding(newer)), "", "", ErrIncomplete, []string{
			"backup " + older + " is on n2 only; backup " + newer + " is on n1, n3 only"}},
		{"the wanted one is not there", nodes(holding(older), holding(older), holding(older)), newer, "", ErrNoBackup, []string{
			"backup " + newer + " is not on the volumes, which have " + older}},
		{"the wanted one is on some nodes only", nodes(holding(older, newer), holding(older), holding(older, "-"+newer)), newer, "", ErrIncomplete, []string{
			"backup " + newer + " is complete on 1 of 3 volumes: backup " + newer + " is on n1 only; backup " + newer + " is not complete on node n3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Choose(c.volumes, c.wanted)
			if c.refuse == nil {
				require.NoError(t, err)
				require.Equal(t, c.want, got)
				return
			}
			require.ErrorIs(t, err, c.kind)
			require.Empty(t, got)
			for _, text := range c.refuse {
				require.ErrorContains(t, err, text)
			}
		})
	}
	_, err := Choose(nodes(holding("-"+older), holding("-"+newer), holding()), newer)
	require.NotContains(t, err.Error(), older, "other backups are not spoken of")
}
