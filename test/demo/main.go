// Command demo shows the whole cycle on a real ring: Cassandra, a backup, a
// disaster, a restore, and the proof that every table is what it was.
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

	"github.com/apache/cassandra-gocql-driver/v2"

	"github.com/casshook/casshook/test/lab/cassandra"
	"github.com/casshook/casshook/test/lab/volume"
	"github.com/casshook/casshook/test/lab/zoo"
)

func main() {
	d := &demo{began: time.Now()}
	flag.StringVar(&d.bin, "bin", "bin", "directory of casshook and casshook-agent")
	flag.StringVar(&d.dir, "dir", "", "directory of the ring (default: in memory, if there is room)")
	flag.StringVar(&d.version, "version", "5.0.9", "version of Cassandra")
	flag.StringVar(&d.flavour, "flavour", string(cassandra.Default), "default or latest")
	flag.IntVar(&d.nodes, "nodes", 3, "number of nodes")
	flag.BoolVar(&d.keep, "keep", false, "leave the ring running at the end, until make demo-clean")
	clean := flag.Bool("clean", false, "remove what earlier demos left, and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := d.run
	if *clean {
		run = d.clean
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

type demo struct {
	bin, dir, version, flavour string
	nodes                      int
	keep                       bool
	began                      time.Time

	ring *cassandra.Ring
	zoo  zoo.Options
}

func (d *demo) place() {
	if d.dir == "" {
		d.dir = filepath.Join(cassandra.Scratch(), fmt.Sprintf("casshook-demo-%d", os.Getuid()))
	}
}

// clean removes the ring of the demo, running or not.
func (d *demo) clean(ctx context.Context) error {
	d.place()
	ring, err := cassandra.Open(d.dir)
	if errors.Is(err, os.ErrNotExist) {
		return os.RemoveAll(d.dir)
	}
	if err != nil {
		return err
	}
	return ring.Remove(ctx)
}

func (d *demo) run(ctx context.Context) error {
	if err := d.clean(ctx); err != nil {
		return err
	}
	d.say("Starting Cassandra %s (%s flavour), %d real nodes", d.version, d.flavour, d.nodes)
	ring, err := cassandra.Start(ctx, cassandra.Options{Version: d.version, Flavour: cassandra.Flavour(d.flavour), Nodes: d.nodes, Dir: d.dir, Detached: d.keep})
	if err != nil {
		return err
	}
	d.ring = ring
	defer d.leave(ctx)
	want, err := d.fill(ctx)
	if err != nil {
		return err
	}
	d.say("before-backup: the whole ring under one tag")
	if err := d.casshook(ctx, "before-backup"); err != nil {
		return err
	}
	if err := d.disaster(ctx); err != nil {
		return err
	}
	d.say("after-restore: what would happen, then doing it")
	if err := d.casshook(ctx, "plan"); err != nil {
		return err
	}
	if err := d.casshook(ctx, "after-restore"); err != nil {
		return err
	}
	return d.prove(ctx, want)
}

// leave removes the ring, or says where it goes on running.
func (d *demo) leave(ctx context.Context) {
	if d.keep {
		fmt.Printf("\nThe ring goes on running: %s\n", d.ring.InventoryFile())
		return
	}
	if err := d.clean(context.WithoutCancel(ctx)); err != nil {
		fmt.Fprintln(os.Stderr, "demo: remove the ring:", err)
	}
}

// fill makes the zoo and takes its digests.
func (d *demo) fill(ctx context.Context) (zoo.Digests, error) {
	session, err := d.connect()
	if err != nil {
		return nil, err
	}
	defer session.Close()
	version, err := zoo.ParseVersion(d.version)
	if err != nil {
		return nil, err
	}
	d.zoo = zoo.Options{Session: session, Version: version, Flavour: d.flavour, Nodes: d.nodes, Scale: zoo.Small, Flush: d.ring.Flush, Agree: d.ring.Agree,
		Without: []string{zoo.RoleDamage}} // an online restore leaves roles alone
	d.say("Filling it: every kind of table, type, index, view, function, grant")
	inventory, err := zoo.Create(ctx, d.zoo)
	if err != nil {
		return nil, err
	}
	fmt.Printf("  %d statements, %d rows\n", inventory.Statements, inventory.Rows)
	for _, s := range inventory.Skipped {
		fmt.Printf("  not in this ring: %s (%s)\n", s.Feature, s.Why)
	}
	d.say("Taking the digests of all content at consistency ALL")
	return zoo.Digest(ctx, session)
}

// disaster damages the ring after the backup in every way that matters, kills
// it, and replaces its volumes by copies, as a restored restore point does.
func (d *demo) disaster(ctx context.Context) error {
	d.say("Disaster: this happens after the backup")
	session, err := d.connect()
	if err != nil {
		return err
	}
	defer session.Close()
	d.zoo.Session = session
	damage, err := zoo.Damage(ctx, d.zoo)
	if err != nil {
		return err
	}
	for _, what := range damage {
		fmt.Printf("  ✗ %s\n", what)
	}
	d.say("All nodes are killed, their volumes replaced by copies, and started again")
	time.Sleep(2 * time.Second) // the commit log is synced ten times a second
	if err := d.ring.Kill(ctx); err != nil {
		return err
	}
	if err := volume.Replace(ctx, d.ring); err != nil {
		return err
	}
	return d.ring.StartAll(ctx)
}

func (d *demo) prove(ctx context.Context, want zoo.Digests) error {
	d.say("Proof: expected and actual content, table by table, at consistency ALL")
	session, err := d.connect()
	if err != nil {
		return err
	}
	defer session.Close()
	got, err := zoo.Digest(ctx, session)
	if err != nil {
		return err
	}
	if err := zoo.Render(os.Stdout, want, got); err != nil {
		return err
	}
	if differences := zoo.Compare(want, got); len(differences) > 0 {
		return fmt.Errorf("%d of %d entries differ from the backup", len(differences), len(want))
	}
	d.say("All %d entries are equal: the ring is what it was at the backup", len(want))
	return nil
}

func (d *demo) connect() (*gocql.Session, error) {
	n := d.ring.Node(1)
	return zoo.Connect(n.Address, n.CQLPort, cassandra.Superuser, cassandra.SuperuserPassword)
}

// casshook runs the product as a user does.
func (d *demo) casshook(ctx context.Context, args ...string) error {
	args = append(args, "--inventory", d.ring.InventoryFile())
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
