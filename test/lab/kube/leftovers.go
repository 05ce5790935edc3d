package kube

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Leftover is one thing of the lab that is on this machine outside its directory.
type Leftover struct {
	// Kind is process, mount, loop device, link, namespace, address, route, rule, cgroup or tunable.
	Kind, What string
}

// Leftovers lists everything of the lab that is on this machine; nothing when it is down.
func (l *Lab) Leftovers(ctx context.Context) ([]Leftover, error) {
	var found []Leftover
	add := func(kind string, what ...string) {
		for _, w := range what {
			found = append(found, Leftover{kind, w})
		}
	}
	for _, pid := range append(l.processes(), podProcesses()...) {
		add("process", strconv.Itoa(pid)+" "+commandLine(pid))
	}
	add("mount", mountsBelow(l.Root)...)
	add("cgroup", cgroups()...)
	if exists("/sys/class/net/" + hostLink) {
		add("link", hostLink)
	}
	if exists(l.namespaceFile()) {
		add("namespace", namespace)
	}
	kept, _ := filepath.Glob(l.run("sysctl-*")) // the pattern is well-formed
	add("tunable", kept...)
	for kind, argv := range map[string][]string{
		"loop device": {"losetup", "--noheadings", "--list", "--output", "NAME,BACK-FILE"},
		"address":     {"ip", "-o", "addr"},
		"route":       {"ip", "route", "show", "table", "all"},
		"rule":        {"iptables-save"},
	} {
		out, err := call(ctx, argv...)
		if err != nil {
			return nil, fmt.Errorf("list %ss: %w", kind, err)
		}
		add(kind, l.ours(out)...)
	}
	return found, nil
}

// ours picks the lines that name the lab's addresses, links or files.
func (l *Lab) ours(text string) []string {
	var found []string
	for _, line := range lines(text) {
		for _, mark := range []string{hostIP, NodeIP, podCIDR, serviceCIDR, hostLink, bridge, l.Root} {
			if strings.Contains(line, mark) {
				found = append(found, line)
				break
			}
		}
	}
	return found
}

// processes are the lab's own, by what they were started with: their files are all below its directory.
func (l *Lab) processes() []int {
	return processes(func(argv []string) bool {
		if strings.HasPrefix(argv[0], l.Root+"/bin/") {
			return true
		}
		name := filepath.Base(argv[0])
		if name != "containerd" && name != "containerd-shim-runc-v2" {
			return false // an editor with one of our files open is not ours
		}
		return strings.Contains(strings.Join(argv, " "), l.Root+"/state/")
	})
}

func commandLine(pid int) string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return ""
	}
	const enough = 120
	line := strings.ReplaceAll(strings.TrimRight(string(text), "\x00"), "\x00", " ")
	return line[:min(len(line), enough)]
}

// lines are the lines of a text that are not empty.
func lines(text string) []string {
	var found []string
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			found = append(found, line)
		}
	}
	return found
}
