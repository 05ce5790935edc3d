package ring_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ring"
)

func TestViewBuilds(t *testing.T) {
	t.Parallel()
	members := []document.Member{{HostID: "a"}, {HostID: "b"}}
	view := document.TableName{Keyspace: "k", Name: "v"}
	for _, tt := range []struct {
		name            string
		says            map[string]bool
		built, building bool
	}{
		{"nobody has begun", nil, false, true},
		{"one of two", map[string]bool{"a": true}, false, false},
		{"one is at it", map[string]bool{"a": true, "b": false}, false, true},
		{"both", map[string]bool{"a": true, "b": true}, true, false},
		{"a node that is gone was at it", map[string]bool{"a": true, "b": true, "gone": false}, true, false},
		{"only a node that is gone built it", map[string]bool{"gone": true}, false, true},
	} {
		builds := ring.ViewBuilds{}
		for host, built := range tt.says {
			builds.Set(view, host, built)
		}
		require.Equal(t, tt.built, builds.Built(view, members), tt.name)
		require.Equal(t, tt.building, builds.Building(view, members), tt.name)
	}
}
