// Package kube runs a real single-node Kubernetes on one Linux machine, for tests, demo and benchmarks: etcd, the API
// server, the controllers, kubelet, kube-proxy, CoreDNS and the snapshot controller built from Go modules at pinned
// versions; containerd, runc and CNI plugins from Debian; and a CSI driver of its own with real snapshots (btrfs).
//
// Everything runs in a network namespace of its own without a default route: nothing of it listens on an address that
// another machine reaches, no pod gets out, and the machine's own iptables rules are not touched. The host reaches the
// API server, pods and services over one veth pair. What Down leaves is the state that makes the next Up quick: etcd's
// data, images, volumes. Purge removes that, too. Leftovers lists what is still there of a running lab.
//
// On disk, below Lab.Root:
//
//	bin/          programs, each beside the key of what it was built from
//	images/       layers and archives of images
//	kubeconfig    of the administrator
//	state/etc     configuration and keys; state/var: data; state/run: pids and sockets; state/log
package kube

import (
	"fmt"
	"os"
	"path/filepath"
)

// Addresses of the lab. They are private, and in use on this machine only while the lab is up.
const (
	// NodeName is the name of the only node.
	NodeName = "lab"
	// hostIP and NodeIP are the two ends of the veth pair.
	hostIP = "10.241.0.1"
	NodeIP = "10.241.0.2"
	// podCIDR, serviceCIDR: kept apart from the ranges that other labs use by habit.
	podCIDR     = "10.245.0.0/16"
	serviceCIDR = "10.97.0.0/16"
	apiService  = "10.97.0.1"
	dnsService  = "10.97.0.10"
	apiPort     = 6443
	// namespace is the network namespace, as ip netns lists it; hostLink and nodeLink the veth pair.
	namespace = "casshook-lab"
	hostLink  = "casshook0"
	nodeLink  = "uplink"
	bridge    = "pods0"
	// cgroup is the parent of all pods' cgroups, in every hierarchy.
	cgroup = "casshook-lab"
)

// Storage as the lab provides it.
const (
	// StorageClass binds on first consumer; SnapshotClass is of the same driver. Both are defaults.
	StorageClass  = "casshook-lab"
	SnapshotClass = "casshook-lab"
	csiDriver     = "csi.casshook.lab"
	// poolSize is that of the sparse file behind the volumes.
	poolSize = 40 << 30
)

// Lab is where the lab lives on disk.
type Lab struct {
	// Root is an absolute path on a disk file system; overlayfs does not work on every other.
	Root string
	// Source is the root of the checked out repository, whose modules are built.
	Source string
	// Log gets one line per thing that takes time.
	Log func(format string, args ...any)
	// WithoutOperator has Up start no stand-in for cass-operator.
	WithoutOperator bool
}

// New returns the lab of this user: below the user's cache directory, or in $CASSHOOK_LAB.
func New(source string, log func(format string, args ...any)) (*Lab, error) {
	root := os.Getenv("CASSHOOK_LAB")
	if root == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("find cache directory: %w", err)
		}
		root = filepath.Join(cache, "casshook", "kube")
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("lab directory: %w", err)
	}
	return &Lab{Root: root, Source: source, Log: log}, nil
}

// Kubeconfig is the administrator's.
func (l *Lab) Kubeconfig() string { return filepath.Join(l.Root, "kubeconfig") }

// Program is the path of a program that the lab builds, such as kubectl.
func (l *Lab) Program(name string) string { return filepath.Join(l.Root, "bin", name) }

func (l *Lab) images(parts ...string) string { return l.path("images", parts) }
func (l *Lab) etc(parts ...string) string    { return l.path("state/etc", parts) }
func (l *Lab) data(parts ...string) string   { return l.path("state/var", parts) }
func (l *Lab) run(parts ...string) string    { return l.path("state/run", parts) }
func (l *Lab) logFile(name string) string    { return l.path("state/log", []string{name + ".log"}) }
func (l *Lab) module(name string) string {
	return filepath.Join(l.Source, "test", "lab", "kube", "modules", name)
}

func (l *Lab) path(dir string, parts []string) string {
	return filepath.Join(append([]string{l.Root, dir}, parts...)...)
}

func (l *Lab) kubeletDir() string { return l.data("kubelet") }
func (l *Lab) containerd() string { return l.run("containerd", "containerd.sock") }
func (l *Lab) pool() string       { return l.data("csi", "pool") }
func (l *Lab) poolFile() string   { return l.data("csi", "pool.img") }
func (l *Lab) csiSocket() string {
	return filepath.Join(l.kubeletDir(), "plugins", csiDriver, "csi.sock")
}
func (l *Lab) apiServer() string     { return fmt.Sprintf("https://%s:%d", NodeIP, apiPort) }
func (l *Lab) namespaceFile() string { return "/run/netns/" + namespace }
