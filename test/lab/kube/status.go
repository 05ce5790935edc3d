package kube

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
)

// names of the units that run while the lab is up.
func (l *Lab) names() []string {
	units := append([]unit{l.etcd(), l.containerRuntime(), l.apiserver()}, l.controllers()...)
	units = append(append(units, l.csi()), l.snapshots()...)
	var names []string
	if _, err := os.Stat(l.withoutOperatorFile()); err != nil {
		units = append(units, l.operator())
	}
	for _, u := range units {
		names = append(names, u.name)
	}
	return names
}

// Status writes a table of the lab's processes, and node and pods as the API server has them. It fails when a process is down.
func (l *Lab) Status(ctx context.Context, to io.Writer) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PROCESS\tSTATE\tPID\tRSS MiB")
	var down []string
	for _, name := range l.names() {
		pid := l.pid(name)
		if pid == 0 {
			down = append(down, name)
			fmt.Fprintf(table, "%s\tdown\t\t\n", name)
			continue
		}
		fmt.Fprintf(table, "%s\tup\t%d\t%d\n", name, pid, residentMiB(pid))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(down) == len(l.names()) {
		return fmt.Errorf("the lab is down; start it with make lab-up")
	}
	for _, what := range [][]string{{"get", "nodes", "-o", "wide"}, {"get", "pods", "-A", "-o", "wide"}} {
		out, err := l.Kubectl(ctx, what...)
		if err != nil {
			return err
		}
		fmt.Fprintf(to, "\n%s", out)
	}
	if len(down) > 0 {
		return fmt.Errorf("not running: %s; start them with make lab-up", strings.Join(down, ", "))
	}
	return nil
}

// residentMiB is a process's resident memory.
func residentMiB(pid int) int {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return pages * os.Getpagesize() >> 20
}
