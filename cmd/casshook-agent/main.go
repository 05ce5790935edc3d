// Command casshook-agent is the node side of casshook: a static binary that the
// executor runs at every Cassandra node and speaks to over stdin and stdout.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/casshook/casshook/pkg/agent"
)

const usage = `casshook-agent serves one casshook executor over stdin and stdout.

Usage:
  casshook-agent serve      answer requests until stdin closes
  casshook-agent version    print the version
`

func main() {
	if len(os.Args) != 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	switch os.Args[1] {
	case "serve":
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		if err := agent.Serve(ctx, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "casshook-agent:", err)
			os.Exit(1)
		}
	case "version":
		fmt.Println(agent.Release)
	default:
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
}
