// Command casshook-agent is the node side of casshook: a static binary that the
// executor runs at every Cassandra node and speaks to over stdin and stdout, and
// the cleaner of a node's volumes while its Cassandra does not run.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/casshook/casshook/pkg/agent"
	"github.com/casshook/casshook/pkg/escape"
	"github.com/casshook/casshook/pkg/flow"
)

const usage = `casshook-agent serves one casshook executor over stdin and stdout, or restores the
volumes of a stopped node.

Usage:
  casshook-agent serve      answer requests until stdin closes
  casshook-agent clean      restore a stopped node from a backup (clean --help)
  casshook-agent version    print the version
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, escape.Lines(os.Stderr))
	stop()
	os.Exit(code)
}

// isHelp tells whether somebody asks for help.
func isHelp(args []string) bool {
	return len(args) > 0 && slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0])
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	switch {
	case command == "clean":
		return clean(ctx, args[1:], stdout, stderr)
	case command == "serve" && len(args) == 1:
		leavePlace(os.Getenv(place))
		if err := agent.Main(ctx, stdin, stdout); err != nil {
			fmt.Fprintln(stderr, "casshook-agent:", err)
			return 1
		}
	case isHelp(args), (command == "serve" || command == "version") && isHelp(args[1:]):
		fmt.Fprint(stdout, usage)
	case command == "version" && len(args) == 1:
		fmt.Fprintln(stdout, agent.Release)
	default:
		fmt.Fprint(stderr, usage)
		return int(flow.Usage)
	}
	return 0
}
