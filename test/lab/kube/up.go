package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// step is one thing that Up or Down does, with the name under which it shows.
type step struct {
	name string
	do   func(context.Context) error
}

// Up starts everything that does not run, and returns when the node is ready, DNS answers and volumes can be had. It may be
// called again at any time.
func (l *Lab) Up(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("the lab needs root: it makes a network namespace, mounts and cgroups")
	}
	unlock, err := l.lock()
	if err != nil {
		return err
	}
	defer unlock()
	began := time.Now()
	err = l.passes(ctx, []step{
		{"Debian packages", l.packages},
		{"programs", l.programs},
		{"configuration", func(context.Context) error { return l.configure() }},
		{"network", l.network},
		{"cgroups", func(context.Context) error { return errors.Join(l.keepSysctls(), makeCgroups()) }},
		{"storage", l.storage},
		{"etcd, containerd, API server", l.controlPlane},
		{"images", l.loadImages},
		{"controllers, kubelet, kube-proxy", func(ctx context.Context) error { return l.startAll(ctx, l.controllers()) }},
		{"resource definitions", l.definitions},
		{"CSI driver, snapshot controller", l.volumes},
		{"operator stand-in", l.startOperator},
		{"service account", l.defaultAccount},
		{"node ready", l.nodeReady},
		{"DNS", l.dns},
	})
	if err != nil {
		return err
	}
	l.Log("up in %.1f s; export KUBECONFIG=%s", time.Since(began).Seconds(), l.Kubeconfig())
	return nil
}

// startOperator starts the stand-in, unless another operator takes its place: then it is ended, if it runs.
func (l *Lab) startOperator(ctx context.Context) error {
	if !l.WithoutOperator {
		if err := os.Remove(l.withoutOperatorFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return l.start(ctx, l.operator())
	}
	if err := os.WriteFile(l.withoutOperatorFile(), nil, 0o644); err != nil {
		return err
	}
	return l.stop(ctx, l.operator().name, stopGrace)
}

// withoutOperatorFile says to later commands that there is to be no stand-in.
func (l *Lab) withoutOperatorFile() string { return filepath.Join(l.Root, "without-operator") }

// errEnded is of a unit that ran when Up looked and does not run any more.
var errEnded = errors.New("ended")

// passes runs the steps until every unit that they started still runs: a process that was killed a moment before Up may count as
// alive until the kernel has taken it down, and hold its ports when the next one starts.
func (l *Lab) passes(ctx context.Context, all []step) error {
	const most = 3
	for pass := 1; ; pass++ {
		err := l.steps(ctx, all)
		if err == nil {
			err = l.allAlive()
		}
		if err == nil || !errors.Is(err, errEnded) || pass == most {
			return err
		}
		l.Log("once more: %v", err)
	}
}

// allAlive says which of the lab's units has ended.
func (l *Lab) allAlive() error {
	for _, name := range l.names() {
		if !l.alive(name) {
			return fmt.Errorf("%s %w, see %s", name, errEnded, l.logFile(name))
		}
	}
	return nil
}

// steps runs steps in order and logs those that take long enough to be of interest.
func (l *Lab) steps(ctx context.Context, all []step) error {
	for _, s := range all {
		began := time.Now()
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if took := time.Since(began); took > time.Second {
			l.Log("%s (%.1f s)", s.name, took.Seconds())
		}
	}
	return nil
}

// lock keeps two runs of this program apart.
func (l *Lab) lock() (func(), error) {
	if err := os.MkdirAll(l.Root, 0o755); err != nil {
		return nil, fmt.Errorf("create lab directory: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(l.Root, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the lab: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("another run works on the lab in %s: %w", l.Root, err)
	}
	return func() { _ = file.Close() }, nil
}

func (l *Lab) startAll(ctx context.Context, units []unit) error {
	for _, u := range units {
		if err := l.start(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) controlPlane(ctx context.Context) error {
	if err := l.startAll(ctx, []unit{l.etcd(), l.containerRuntime(), l.apiserver()}); err != nil {
		return err
	}
	err := wait(ctx, patience, "containerd to answer", func(ctx context.Context) error {
		_, err := l.ctr(ctx, "version")
		return l.hint("containerd", err)
	})
	if err != nil {
		return err
	}
	return wait(ctx, patience, "the API server to be ready", func(ctx context.Context) error {
		if conn, err := net.DialTimeout("tcp", fmt.Sprintf("%s:%d", NodeIP, apiPort), time.Second); err != nil {
			return l.hint("kube-apiserver", err) // cheaper than a kubectl for each try
		} else if err := conn.Close(); err != nil {
			return err
		}
		_, err := l.Kubectl(ctx, "get", "--raw", "/readyz")
		return l.hint("kube-apiserver", err)
	})
}

// hint adds where to look when a unit does not answer.
func (l *Lab) hint(name string, err error) error {
	if err == nil {
		return nil
	}
	if !l.alive(name) {
		return fmt.Errorf("%s %w, see %s: %w", name, errEnded, l.logFile(name), err)
	}
	return fmt.Errorf("%w (see %s)", err, l.logFile(name))
}

// nodeReady waits until the node is ready by the kubelet that runs now: the condition may be of one that ended, its lease
// tells.
func (l *Lab) nodeReady(ctx context.Context) error {
	began := time.Now()
	return wait(ctx, patience, "the node to be ready", func(ctx context.Context) error {
		out, err := l.Kubectl(ctx, "get", "node", NodeName, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		if err != nil {
			return l.hint("kubelet", err)
		}
		if out != "True" {
			return l.hint("kubelet", fmt.Errorf("condition Ready is %q", out))
		}
		renewed, err := l.Kubectl(ctx, "-n", "kube-node-lease", "get", "lease", NodeName, "-o", "jsonpath={.spec.renewTime}")
		if err != nil {
			return l.hint("kubelet", err)
		}
		at, err := time.Parse(time.RFC3339Nano, renewed)
		if err != nil {
			return fmt.Errorf("lease of the node: %w", err)
		}
		const leaseInterval = 10 * time.Second // kubelet renews every quarter of 40 s
		if at.Before(began.Add(-leaseInterval)) {
			return l.hint("kubelet", fmt.Errorf("its lease was renewed at %s, by an earlier kubelet", renewed))
		}
		return nil
	})
}

// volumes starts the storage side, and waits until kubelet knows the driver.
func (l *Lab) volumes(ctx context.Context) error {
	before := l.pid("csi-driver")
	if err := l.start(ctx, l.csi()); err != nil {
		return err
	}
	if l.pid("csi-driver") != before {
		// The snapshotter ends with the first call that it makes to a driver which is no more.
		if err := l.stop(ctx, "csi-snapshotter", stopGrace); err != nil {
			return err
		}
	}
	err := wait(ctx, patience, "the CSI driver's socket", func(context.Context) error {
		conn, err := net.Dial("unix", l.csiSocket())
		if err != nil {
			return l.hint("csi-driver", err)
		}
		return conn.Close()
	})
	if err != nil {
		return err
	}
	if err := l.startAll(ctx, l.snapshots()); err != nil {
		return err
	}
	return wait(ctx, patience, "kubelet to register the CSI driver", func(ctx context.Context) error {
		out, err := l.Kubectl(ctx, "get", "csinode", NodeName, "-o", "jsonpath={.spec.drivers[*].name}")
		if err == nil && !strings.Contains(out, csiDriver) {
			err = fmt.Errorf("it knows %q", out)
		}
		return l.hint("kubelet", err)
	})
}

// dns waits until the cluster's name server answers, which needs a pod, its address and a service.
func (l *Lab) dns(ctx context.Context) error {
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", net.JoinHostPort(dnsService, "53"))
	}}
	return wait(ctx, patience, "CoreDNS to answer", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := resolver.LookupHost(ctx, "kubernetes.default.svc.cluster.local.")
		return err
	})
}
