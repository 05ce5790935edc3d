// Command operator-standin runs the lab's stand-in for cass-operator until it is interrupted.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/tools/clientcmd"

	operatorstandin "github.com/casshook/casshook/test/lab/operator-standin"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "operator-standin:", err)
		os.Exit(1)
	}
}

func run() error {
	kubeconfig := flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "kubeconfig; none means that of the pod (default from KUBECONFIG)")
	namespace := flag.String("namespace", "", "the only namespace to look at; none means all")
	image := flag.String("image", operatorstandin.DefaultImage, "repository of Cassandra's image; the tag is spec.serverVersion")
	speed := flag.String("waits", "real", "real: cass-operator's waits; fast: the same order in a fraction of the time")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: only flags", flag.Arg(0))
	}
	waits := operatorstandin.RealWaits()
	switch *speed {
	case "real":
	case "fast":
		waits = operatorstandin.FastWaits()
	default:
		return fmt.Errorf("-waits %q: must be real or fast", *speed)
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	log.Info("operator stand-in runs", "waits", *speed, "namespace", *namespace)
	return operatorstandin.Run(ctx, config, operatorstandin.Options{Namespace: *namespace, Waits: waits, Image: *image, Log: log})
}
