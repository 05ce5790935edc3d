// Command casshook makes a volume snapshot of a Cassandra ring exact, and brings
// it back fast and provably.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/casshook/casshook/pkg/cli"
	"github.com/casshook/casshook/pkg/kube/api"
)

func main() {
	api.Quiet()
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	code := cli.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
