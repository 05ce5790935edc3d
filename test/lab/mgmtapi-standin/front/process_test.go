package front

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The reaper must not take the status of a child that is waited for where it was started.
func TestReapLeavesOwnChildren(t *testing.T) {
	t.Parallel()
	var c children
	cmd := exec.Command("sh", "-c", "exit 3")
	require.NoError(t, c.fork(cmd))
	require.Eventually(t, func() bool {
		_, _, zombie := readStat(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		return zombie
	}, time.Minute, time.Millisecond)
	c.reap()
	require.EqualError(t, cmd.Wait(), "exit status 3")
}

func TestHowAProcessEnds(t *testing.T) {
	t.Parallel()
	var c children
	p, err := c.start([]string{"sh", "-c", "exit 3"}, t.TempDir(), nil, nil)
	require.NoError(t, err)
	<-p.ended
	require.False(t, p.running())
	require.Equal(t, "exit status 3", p.state)
	require.NoError(t, p.stop(time.Second), "stopping what has ended")
	require.Empty(t, c.own)
	_, err = c.start([]string{"/no/such/program"}, t.TempDir(), nil, nil)
	require.ErrorContains(t, err, "start /no/such/program")
}
