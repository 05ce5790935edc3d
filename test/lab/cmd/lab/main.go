// Command lab fetches Cassandra, starts, stops and removes rings of real nodes, and a real Kubernetes, for trying casshook by hand.
//
// Exit codes: 0 done, 1 failed; lab ring status exits with 1 when a node is down.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/casshook/casshook/test/lab/cassandra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "lab",
		Short:         "Real Cassandra and a real Kubernetes on this machine, for tests",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(fetch(), ring(), kubernetes())
	return cmd
}

func fetch() *cobra.Command {
	return &cobra.Command{
		Use:   "fetch",
		Short: "Fetch the jars of all versions and check them",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, version := range cassandra.Versions() {
				err := step(cmd.ErrOrStderr(), "fetch "+version, func() error {
					_, err := cassandra.Fetch(cmd.Context(), version)
					return err
				})
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func ring() *cobra.Command {
	cmd := &cobra.Command{Use: "ring", Short: "Rings that outlive this command"}
	dir := cmd.PersistentFlags().String("dir", "", "directory of the ring (required)")
	if err := cmd.MarkPersistentFlagRequired("dir"); err != nil {
		panic(err) // the flag is defined one line above
	}
	cmd.AddCommand(start(dir), stop(dir), status(dir), remove(dir))
	return cmd
}

// start creates the ring, or starts the stopped nodes of one that is there.
func start(dir *string) *cobra.Command {
	options := cassandra.Options{Detached: true}
	var flavour string
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Start a new ring, or again the one that is in the directory",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options.Dir, options.Flavour = *dir, cassandra.Flavour(flavour)
			return step(cmd.ErrOrStderr(), "start ring in "+*dir, func() error {
				if r, err := cassandra.Open(*dir); err == nil {
					return r.StartAll(cmd.Context())
				}
				_, err := cassandra.Start(cmd.Context(), options)
				return err
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.Version, "version", cassandra.Versions()[0], "Cassandra version")
	flags.StringVar(&flavour, "flavour", string(cassandra.Default), "default or latest (5.0 only)")
	flags.IntVar(&options.Nodes, "nodes", 1, "number of nodes")
	flags.IntVar(&options.HeapMB, "heap-mb", 0, "heap of each node in MB (0: the lab's default)")
	flags.IntVar(&options.MultipleDataDirs, "data-dirs", 1, "data directories of each node")
	return cmd
}

func stop(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "stop",
		Short: "Stop all nodes; their data stays",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRing(*dir, func(r *cassandra.Ring) error {
				return step(cmd.ErrOrStderr(), "stop ring in "+*dir, func() error { return r.Stop(cmd.Context()) })
			})
		},
	}
}

func remove(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "remove",
		Short: "Kill all nodes and delete the directory",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRing(*dir, func(r *cassandra.Ring) error {
				return step(cmd.ErrOrStderr(), "remove ring in "+*dir, func() error { return r.Remove(cmd.Context()) })
			})
		},
	}
}

func status(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the nodes; fails when one is down",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRing(*dir, func(r *cassandra.Ring) error { return show(cmd.OutOrStdout(), r) })
		},
	}
}

func show(out io.Writer, r *cassandra.Ring) error {
	down := 0
	for _, n := range r.Nodes() {
		state := fmt.Sprintf("running, pid %d", n.PID())
		if !n.Running() {
			state, down = "down", down+1
		}
		if _, err := fmt.Fprintf(out, "%s\t%s:%d\tjmx %d\t%s\t%s\n",
			n.Name, n.Address, n.CQLPort, n.JMXPort, n.APISocket, state); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintln(out, "inventory:", r.InventoryFile()); err != nil {
		return err
	}
	if down > 0 {
		return fmt.Errorf("%d of %d nodes are down", down, len(r.Nodes()))
	}
	return nil
}

func withRing(dir string, do func(*cassandra.Ring) error) error {
	r, err := cassandra.Open(dir)
	if err != nil {
		return err
	}
	return do(r)
}

// step reports what is done and how long it took.
func step(out io.Writer, name string, do func() error) error {
	begin := time.Now()
	_, _ = fmt.Fprintln(out, "…", name)
	err := do()
	sign := "✓"
	if err != nil {
		sign = "✗"
	}
	_, _ = fmt.Fprintf(out, "%s %s (%.1f s)\n", sign, name, time.Since(begin).Seconds())
	return err
}
