// Command csi is the lab's CSI driver for a cluster of one node. Volumes are btrfs subvolumes, bind-mounted into pods, and
// snapshots are read-only btrfs snapshots: atomic, of one moment, made in milliseconds. One process is
//
//   - the CSI services identity, controller and node on a unix socket, which the snapshotter of Kubernetes talks to
//   - the registration with kubelet
//   - the provisioner for claims of its storage classes, copies of snapshots and of claims included
//
// It runs beside kubelet, in its mount namespace, as root. What it does not do: limits of size (a volume may fill the pool),
// expansion, block volumes, groups of snapshots, topology. A volume whose claim vanishes while its persistent volume is being
// created stays in the pool. The snapshotter ends itself when it loses the driver: whoever restarts one restarts both.
//
// The module is one of its own so that its dependencies are not the project's:
//
//	CGO_ENABLED=0 go build -trimpath -o DIR/csi .
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	snapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/clientset/versioned"
	"google.golang.org/grpc"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	reg "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// requestTimeout bounds every request to the API server, so that a connection that died with it is given up.
const requestTimeout = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	klog.SetSlogLogger(log)
	o, err := readOptions(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = run(ctx, o, log)
	}
	if err != nil {
		log.Error("the driver ended", "error", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	pool, node, kubeletDir, kubeconfig string
}

func readOptions(argv []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("csi", flag.ContinueOnError)
	flags.StringVar(&o.pool, "pool", "", "`directory` on btrfs that keeps volumes and snapshots (required)")
	flags.StringVar(&o.node, "node", "", "`name` of the node, which is the value of its label kubernetes.io/hostname (required)")
	flags.StringVar(&o.kubeletDir, "kubelet-dir", "/var/lib/kubelet", "kubelet's root `directory`")
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "`file` that says how to reach the API server (required)")
	if err := flags.Parse(argv); err != nil {
		return o, err
	}
	var problems []error
	for name, value := range map[string]string{"pool": o.pool, "node": o.node, "kubelet-dir": o.kubeletDir, "kubeconfig": o.kubeconfig} {
		if value == "" {
			problems = append(problems, fmt.Errorf("flag --%s is missing", name))
		}
	}
	if flags.NArg() > 0 {
		problems = append(problems, fmt.Errorf("unexpected argument %q", flags.Arg(0)))
	}
	return o, errors.Join(problems...)
}

// run serves until the context ends, or until a part of it fails: then the others end, too.
func run(ctx context.Context, o options, log *slog.Logger) (err error) {
	if err := checkBtrfs(o.pool); err != nil {
		return err
	}
	p, err := openPool(ctx, o.pool, btrfs{}, kernel{}, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	service := &controller{pool: p}
	provision, err := connect(o, service, log)
	if err != nil {
		return err
	}
	// kubelet calls the driver as soon as it sees the second socket, so the first must be open by then.
	socket := filepath.Join(o.kubeletDir, "plugins", driverName, "csi.sock")
	calls, err := listen(socket)
	if err != nil {
		return err
	}
	registrations, err := listen(filepath.Join(o.kubeletDir, "plugins_registry", driverName+"-reg.sock"))
	if err != nil {
		return errors.Join(err, calls.Close())
	}
	return together(ctx,
		func(ctx context.Context) error {
			return serve(ctx, calls, log, func(s grpc.ServiceRegistrar) {
				csi.RegisterIdentityServer(s, &identity{pool: p})
				csi.RegisterControllerServer(s, service)
				csi.RegisterNodeServer(s, &node{pool: p, mounts: kernel{}, name: o.node})
			})
		},
		func(ctx context.Context) error {
			return serve(ctx, registrations, log, func(s grpc.ServiceRegistrar) {
				reg.RegisterRegistrationServer(s, &registration{endpoint: socket, log: log})
			})
		},
		func(ctx context.Context) error {
			provision.run(ctx, interval)
			return nil
		},
	)
}

// connect makes the provisioner. The API server need not be there yet.
func connect(o options, service volumeService, log *slog.Logger) (*provisioner, error) {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS, config.Burst, config.Timeout = 50, 100, requestTimeout
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	snapshots, err := snapshot.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client for snapshots: %w", err)
	}
	return newProvisioner(o.node, service, kube, snapshots, log), nil
}

// together runs parts at once. The first error ends the context of all; every part is waited for.
func together(ctx context.Context, parts ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(parts))
	var group sync.WaitGroup
	for i, part := range parts {
		group.Go(func() {
			if errs[i] = part(ctx); errs[i] != nil {
				cancel()
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
