package kube

import (
	"context"
	"errors"
	"os"
	"strings"
)

// network makes the namespace, the veth pair, the host's routes into it, and the rules that keep pods inside.
func (l *Lab) network(ctx context.Context) error {
	if !exists(l.namespaceFile()) {
		if _, err := call(ctx, "ip", "netns", "add", namespace); err != nil {
			return err
		}
	}
	if !exists("/sys/class/net/" + hostLink) {
		if _, err := call(ctx, "ip", "link", "add", hostLink, "type", "veth", "peer", "name", nodeLink, "netns", namespace); err != nil {
			return err
		}
	}
	for _, argv := range [][]string{
		{"ip", "addr", "replace", hostIP + "/30", "dev", hostLink},
		{"ip", "link", "set", hostLink, "up"},
		{"ip", "route", "replace", podCIDR, "via", NodeIP, "dev", hostLink},
		{"ip", "route", "replace", serviceCIDR, "via", NodeIP, "dev", hostLink},
	} {
		if _, err := call(ctx, argv...); err != nil {
			return err
		}
	}
	for _, argv := range [][]string{
		{"ip", "link", "set", "lo", "up"},
		{"ip", "addr", "replace", NodeIP + "/30", "dev", nodeLink},
		{"ip", "link", "set", nodeLink, "up"},
		{"sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.bridge.bridge-nf-call-iptables=1"},
	} {
		if _, err := l.inNamespace(ctx, argv...); err != nil {
			return err
		}
	}
	return l.confine(ctx)
}

// confine rejects what a pod sends towards the host, but for answers: there is no route further, and nothing of the host
// is a pod's business.
func (l *Lab) confine(ctx context.Context) error {
	rule := []string{"FORWARD", "-s", podCIDR, "-o", nodeLink, "-m", "conntrack", "--ctstate", "NEW", "-j", "REJECT"}
	if _, err := l.inNamespace(ctx, append([]string{"iptables", "-C"}, rule...)...); err == nil {
		return nil
	}
	_, err := l.inNamespace(ctx, append([]string{"iptables", "-I"}, rule...)...)
	return err
}

// disconnect removes veth pair and namespace, and with them all addresses, routes, links and rules in it.
func disconnect(ctx context.Context) error {
	var problems []error
	if exists("/sys/class/net/" + hostLink) {
		_, err := call(ctx, "ip", "link", "del", hostLink)
		problems = append(problems, err)
	}
	if exists("/run/netns/" + namespace) {
		_, err := call(ctx, "ip", "netns", "del", namespace)
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// sysctls that kubelet sets for the whole machine when it starts (its kernel tunables); Down puts them back.
func sysctls() []string {
	return []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"}
}

func (l *Lab) sysctlFile(name string) string {
	return l.run("sysctl-" + strings.ReplaceAll(name, "/", "."))
}

// keepSysctls remembers what the machine had, once per Up.
func (l *Lab) keepSysctls() error {
	for _, name := range sysctls() {
		value, err := os.ReadFile("/proc/sys/" + name)
		if err != nil || exists(l.sysctlFile(name)) {
			continue // a kernel without this tunable has nothing to keep
		}
		if err := put(l.sysctlFile(name), value, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) restoreSysctls() error {
	var problems []error
	for _, name := range sysctls() {
		value, err := os.ReadFile(l.sysctlFile(name))
		if err != nil {
			continue
		}
		if err := os.WriteFile("/proc/sys/"+name, value, 0o644); err != nil {
			problems = append(problems, err)
			continue
		}
		problems = append(problems, os.Remove(l.sysctlFile(name)))
	}
	return errors.Join(problems...)
}
