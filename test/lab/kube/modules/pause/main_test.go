package main

import (
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// It reaps every child of the process, so it must be the only test here that has any.
func TestHold(t *testing.T) {
	var pids []int
	for range 3 {
		pid, err := syscall.ForkExec("/bin/true", []string{"true"}, nil)
		require.NoError(t, err)
		pids = append(pids, pid)
	}
	there := func(pid int) bool {
		_, err := os.Stat("/proc/" + strconv.Itoa(pid))
		return err == nil
	}
	signals := make(chan os.Signal)
	ended := make(chan struct{})
	go func() {
		hold(signals)
		close(ended)
	}()
	require.Eventually(t, func() bool {
		signals <- syscall.SIGCHLD
		return !there(pids[0]) && !there(pids[1]) && !there(pids[2])
	}, 10*time.Second, 10*time.Millisecond)
	select {
	case <-ended:
		require.Fail(t, "the end of a child ended it")
	default:
	}
	signals <- syscall.SIGTERM
	<-ended
}
