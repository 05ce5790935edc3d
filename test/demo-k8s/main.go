// Command demo-k8s shows the whole cycle in a real Kubernetes: a datacenter of three racks, a policy run with casshook's hooks in
// pods, a disaster that takes the datacenter and its volumes along, a restore, and the proof that every table is what it was.
//
// It works in the lab's cluster, or in the one that $KUBECONFIG names. Kasten is a stand-in.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	kastenstandin "github.com/casshook/casshook/test/lab/kasten-standin"
	"github.com/casshook/casshook/test/lab/site"
	"github.com/casshook/casshook/test/lab/zoo"
)

// Limits of waiting: Cassandra starts node by node.
const (
	startLimit  = 15 * time.Minute
	removeLimit = 5 * time.Minute
)

// kastenNamespace is where Kasten is installed by default.
const kastenNamespace = "kasten-io"

func main() {
	d := &demo{began: time.Now()}
	flag.StringVar(&d.bin, "bin", "bin", "directory of casshook")
	flag.StringVar(&d.image, "image", "casshook.lab/casshook:e2e", "casshook's image, where the cluster finds it")
	flag.IntVar(&d.datacenter.Size, "nodes", 3, "number of nodes, each in a rack of its own")
	flag.BoolVar(&d.keep, "keep", false, "leave the datacenter running at the end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := d.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo-k8s:", err)
		os.Exit(1)
	}
}

type demo struct {
	bin, image string
	keep       bool
	began      time.Time

	site       *site.Site
	datacenter site.Datacenter
	kasten     *kastenstandin.Kasten
	work       string
}

func (d *demo) run(ctx context.Context) (err error) {
	if d.site, err = site.Open(ctx); err != nil {
		return err
	}
	if d.work, err = os.MkdirTemp("", "casshook-demo-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(d.work) }()
	d.datacenter.Namespace, d.datacenter.Name, d.datacenter.Cluster = "casshook-demo", "dc1", "shop"
	for i := range d.datacenter.Size {
		d.datacenter.Racks = append(d.datacenter.Racks, fmt.Sprintf("r%d", i+1))
	}
	defer func() { err = errors.Join(err, d.leave(context.WithoutCancel(ctx))) }()
	if err := d.start(ctx); err != nil {
		return err
	}
	want, err := d.fill(ctx)
	if err != nil {
		return err
	}
	if err := d.protect(ctx); err != nil {
		return err
	}
	d.say("A policy run: hook, VolumeSnapshots, hook")
	results, err := d.kasten.RunPolicy(ctx, d.kasten.Catalog.Policies["casshook-policy-hooks"])
	if err != nil {
		return err
	}
	if err := d.disaster(ctx); err != nil {
		return err
	}
	d.say("Restore: volumes, objects with the datacenter stopped, and after-restore: a cleaner on every volume, then the start")
	action := *d.kasten.Catalog.RestoreActions[0]
	action.Spec.Subject.Name = results[0].RestorePoint
	if _, err := d.kasten.Restore(ctx, &action); err != nil {
		return err
	}
	return d.prove(ctx, want)
}

func (d *demo) start(ctx context.Context) error {
	d.say("A CassandraDatacenter of %d nodes, one after the other", d.datacenter.Size)
	if err := d.site.RemoveNamespace(ctx, d.datacenter.Namespace, removeLimit); err != nil {
		return err
	}
	for _, namespace := range []string{d.datacenter.Namespace, kastenNamespace} {
		if err := d.site.Namespace(ctx, namespace); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	if err := d.site.Create(ctx, d.datacenter); err != nil {
		return err
	}
	return d.site.Ready(ctx, d.datacenter, startLimit)
}

// leave removes the namespace, or says that it stays.
func (d *demo) leave(ctx context.Context) error {
	if d.keep {
		fmt.Printf("\nThe datacenter goes on running in namespace %s: KUBECONFIG=%s\n", d.datacenter.Namespace, d.site.Kubeconfig)
		return nil
	}
	return d.site.RemoveNamespace(ctx, d.datacenter.Namespace, removeLimit)
}

func (d *demo) options() zoo.Options {
	version, err := zoo.ParseVersion("5.0.9")
	if err != nil {
		panic(err) // a constant
	}
	return zoo.Options{Version: version, Flavour: zoo.FlavourLatest, Nodes: d.datacenter.Size, Scale: zoo.Small, Without: []string{zoo.RoleDamage},
		Flush: func(ctx context.Context, keyspace, table string) error {
			return d.site.Flush(ctx, d.datacenter, keyspace, table)
		},
		Agree: func(ctx context.Context) error { return d.site.Agree(ctx, d.datacenter) },
	}
}

// fill makes the zoo and takes its digests.
func (d *demo) fill(ctx context.Context) (zoo.Digests, error) {
	session, stop, err := d.site.Session(ctx, d.datacenter)
	if err != nil {
		return nil, err
	}
	defer stop()
	d.say("Filling it: every kind of table, type, index, view, function, grant")
	o := d.options()
	o.Session = session
	inventory, err := zoo.Create(ctx, o)
	if err != nil {
		return nil, err
	}
	fmt.Printf("  %d statements, %d rows\n", inventory.Statements, inventory.Rows)
	d.say("Taking the digests of all content at consistency ALL")
	return zoo.Digest(ctx, session)
}

// protect does what the README's quick start does, the files of Kasten going to the stand-in.
func (d *demo) protect(ctx context.Context) error {
	d.say("casshook generate: Blueprint, Policy, RestoreAction, TransformSet, RBAC")
	out := filepath.Join(d.work, "casshook")
	if err := d.casshook(ctx, "generate", "all", "--namespace", d.datacenter.Namespace, "--image", d.image, "--profile", "none", "--out", out); err != nil {
		return err
	}
	access, err := filepath.Glob(filepath.Join(out, "blueprints", "rbac", "[rs]*.yaml")) // not its kustomization.yaml
	if err != nil {
		return err
	}
	for _, path := range access {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := d.site.Apply(ctx, string(text)); err != nil {
			return err
		}
	}
	catalog, err := kastenstandin.LoadCatalog(filepath.Join(out, "blueprints", "policy-hooks", "blueprint.yaml"),
		filepath.Join(out, "blueprints", "transforms", "create-stopped.yaml"), filepath.Join(out, "examples", "policy-hooks", "policy.yaml"),
		filepath.Join(out, "examples", "policy-hooks", "restore-"+d.datacenter.Namespace+".yaml"))
	if err != nil {
		return err
	}
	d.kasten, err = kastenstandin.Connect(d.site.Config, catalog, kastenstandin.Home{Namespace: kastenNamespace, ServiceAccount: "default"}, os.Stdout)
	if err != nil {
		return err
	}
	d.kasten.Dir = filepath.Join(d.work, "restore-points")
	return nil
}

// disaster damages the content, and then takes the datacenter and its volumes.
func (d *demo) disaster(ctx context.Context) error {
	d.say("Disaster: this happens after the backup")
	session, stop, err := d.site.Session(ctx, d.datacenter)
	if err != nil {
		return err
	}
	defer stop()
	o := d.options()
	o.Session = session
	damage, err := zoo.Damage(ctx, o)
	if err != nil {
		return err
	}
	for _, what := range damage {
		fmt.Printf("  ✗ %s\n", what)
	}
	d.say("The CassandraDatacenter is deleted, and cass-operator deletes its volumes")
	return d.site.Delete(ctx, d.datacenter, removeLimit)
}

func (d *demo) prove(ctx context.Context, want zoo.Digests) error {
	d.say("Proof: expected and actual content, table by table, at consistency ALL")
	session, stop, err := d.site.Session(ctx, d.datacenter)
	if err != nil {
		return err
	}
	defer stop()
	got, err := zoo.Digest(ctx, session)
	if err != nil {
		return err
	}
	if err := zoo.Render(os.Stdout, want, got); err != nil {
		return err
	}
	differences, equal := 0, len(want)
	for _, difference := range zoo.Compare(want, got) {
		if difference.Want.Name == "role "+d.datacenter.Cluster+"-superuser" {
			fmt.Println("  (cass-operator sets its superuser's password again whenever a datacenter comes back: another salt)")
			equal--
			continue
		}
		differences++
	}
	if differences > 0 {
		return fmt.Errorf("%d of %d entries differ from the backup", differences, len(want))
	}
	d.say("%d of %d entries are equal, and none differs that should not: the ring is what it was at the backup", equal, len(want))
	return nil
}

// casshook runs the product as a user does.
func (d *demo) casshook(ctx context.Context, args ...string) error {
	fmt.Printf("  $ casshook %s\n", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, filepath.Join(d.bin, "casshook"), args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("casshook %s: %w", args[0], err)
	}
	return nil
}

func (d *demo) say(format string, args ...any) {
	fmt.Printf("\n[%4.0f s] %s\n", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
}
