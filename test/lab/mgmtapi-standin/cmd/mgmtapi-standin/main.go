// Command mgmtapi-standin is what the containers of a Cassandra pod of the lab run.
//
//	mgmtapi-standin serve        the Management API's stand-in; Cassandra below it (container cassandra)
//	mgmtapi-standin config       writes the node's configuration to /config (init container server-config-init)
//	mgmtapi-standin logger FILE  follows a file to stdout (container server-system-logger)
//
// Exit codes: 0 ended as asked, 1 failed, 2 wrong arguments.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/casshook/casshook/test/lab/mgmtapi-standin/front"
	"github.com/casshook/casshook/test/lab/mgmtapi-standin/nodeconfig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	var err error
	switch {
	case len(args) == 1 && args[0] == "serve":
		err = serve(ctx, log)
	case len(args) == 1 && args[0] == "config":
		err = config(log)
	case len(args) == 2 && args[0] == "logger":
		err = front.Follow(ctx, args[1], os.Stdout)
	default:
		fmt.Fprintln(os.Stderr, "usage: mgmtapi-standin serve | config | logger FILE")
		return 2
	}
	if err != nil {
		log.Error("mgmtapi-standin "+args[0], "error", err)
		return 1
	}
	return 0
}

func serve(ctx context.Context, log *slog.Logger) error {
	options, err := front.OptionsFromEnv(os.Getenv)
	if err != nil {
		return err
	}
	return front.Run(ctx, options, log)
}

func config(log *slog.Logger) error {
	input, err := nodeconfig.FromEnv(os.Getenv)
	if err != nil {
		return err
	}
	files, ignored, err := nodeconfig.Render(input)
	if err != nil {
		return err
	}
	for _, key := range ignored {
		log.Warn("the stand-in does not know this part of the configuration and leaves it out", "key", key)
	}
	return nodeconfig.Write(files, front.Layout{}.Config())
}
