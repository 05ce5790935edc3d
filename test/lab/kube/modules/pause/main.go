// Command pause is the first process of every pod of the lab: it holds the pod's namespaces until it is told to end, and reaps
// the processes that lost their parents where containers share a process namespace. It needs nothing but the kernel:
//
//	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o DIR/pause ./test/lab/kube/modules/pause
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	hold(signals)
}

// hold returns at the first signal that does not tell of a child's end.
func hold(signals <-chan os.Signal) {
	for s := range signals {
		if s != syscall.SIGCHLD {
			return
		}
		reap()
	}
}

// reap takes the exit codes of all children that have ended: one signal may stand for several of them.
func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err != syscall.EINTR && (err != nil || pid <= 0) {
			return
		}
	}
}
