package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/casshook/casshook/test/lab/kube"
)

// kubernetes are the commands behind make lab-up, lab-down, lab-status and lab-purge.
func kubernetes() *cobra.Command {
	cmd := &cobra.Command{Use: "kube", Short: "A real single-node Kubernetes on this machine; needs root"}
	cmd.AddCommand(
		up(),
		labCommand("down", "End all processes and remove what they made on this machine; data and images stay", func(cmd *cobra.Command, l *kube.Lab) error {
			return l.Down(cmd.Context())
		}),
		labCommand("status", "Show processes, node and pods", func(cmd *cobra.Command, l *kube.Lab) error {
			return l.Status(cmd.Context(), cmd.OutOrStdout())
		}),
		labCommand("leftovers", "List all that the lab has on this machine outside its directory; fails when there is any", leftovers),
		purge(), load(),
	)
	return cmd
}

func labCommand(use, short string, do func(*cobra.Command, *kube.Lab) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		l, err := openLab(cmd)
		if err != nil {
			return err
		}
		return do(cmd, l)
	}}
}

func up() *cobra.Command {
	without := false
	cmd := labCommand("up", "Start all that does not run", func(cmd *cobra.Command, l *kube.Lab) error {
		l.WithoutOperator = without
		return l.Up(cmd.Context())
	})
	cmd.Flags().BoolVar(&without, "without-operator", false, "start no stand-in for cass-operator, and end one that runs: the real one takes its place")
	return cmd
}

func purge() *cobra.Command {
	var all bool
	cmd := labCommand("purge", "Down, and remove volumes, objects and images", func(cmd *cobra.Command, l *kube.Lab) error {
		return l.Purge(cmd.Context(), all)
	})
	cmd.Flags().BoolVar(&all, "all", false, "remove the built programs, too")
	return cmd
}

func load() *cobra.Command {
	return &cobra.Command{Use: "load ARCHIVE...", Short: "Load docker or OCI archives of images", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := openLab(cmd)
			if err != nil {
				return err
			}
			for _, archive := range args {
				if err := l.LoadImage(cmd.Context(), archive); err != nil {
					return err
				}
			}
			return nil
		}}
}

func leftovers(cmd *cobra.Command, l *kube.Lab) error {
	found, err := l.Leftovers(cmd.Context())
	if err != nil || len(found) == 0 {
		return err
	}
	for _, one := range found {
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\t%s\n", one.Kind, one.What); err != nil {
			return err
		}
	}
	return fmt.Errorf("%d things of the lab are on this machine", len(found))
}

func openLab(cmd *cobra.Command) (*kube.Lab, error) {
	source, err := repository()
	if err != nil {
		return nil, err
	}
	return kube.New(source, func(format string, args ...any) { _, _ = fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) })
}

// repository is the root of the checked out project, from anywhere in it.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the project: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "test", "lab", "kube", "modules")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("run this inside the checked out project: its modules are built")
		}
		dir = filepath.Dir(dir)
	}
}
