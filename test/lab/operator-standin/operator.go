// Package operatorstandin reconciles CassandraDatacenters as cass-operator does, so that the lab has datacenters with
// the names, labels, order of starts, status and hazards of the real ones where the real operator's image cannot be had. It
// is a stand-in: README.md says what differs. In a cluster with a real cass-operator it must not run.
package operatorstandin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Options of Run. The zero value is the real operator's times over all namespaces.
type Options struct {
	// Namespace is the only one looked at; "" is all.
	Namespace string
	// Waits are RealWaits when zero.
	Waits Waits
	// Image is the repository of Cassandra's image, tagged with spec.serverVersion; DefaultImage when empty.
	Image string
	// Log gets what happens; slog.Default when nil.
	Log *slog.Logger
}

// DefaultImage is the lab's image of Cassandra and the Management API's stand-in.
const DefaultImage = "casshook.lab/cassandra"

// Operator reconciles datacenters, one after the other: it is used by one goroutine.
type Operator struct {
	core       kubernetes.Interface
	custom     dynamic.Interface
	management Management
	namespace  string
	waits      Waits
	image      string
	log        *slog.Logger
	now        func() time.Time
	// spawn runs what must not hold up the loop.
	spawn    func(func())
	memories map[types.UID]*memory
	failures *failures
}

// memory is what the operator remembers of a datacenter between rounds. All of it may be lost: a new process makes one complete
// round more, and sends the starts that it knows nothing of again.
type memory struct {
	// completed is the fingerprint of the last complete round.
	completed string
	// said is what was logged last.
	said string
	// unobeyed says that the fields without effect were logged.
	unobeyed bool
	// sent are the pods whose start this process sent.
	sent map[types.UID]bool
}

// failures are pods whose start failed, told by the goroutines of the starts.
type failures struct {
	mutex sync.Mutex
	pods  map[types.UID][]string // by datacenter
}

func (f *failures) add(datacenter types.UID, pod string) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.pods[datacenter] = append(f.pods[datacenter], pod)
}

func (f *failures) take(datacenter types.UID) []string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	pods := f.pods[datacenter]
	delete(f.pods, datacenter)
	return pods
}

// New makes an operator that uses the given clients.
func New(core kubernetes.Interface, custom dynamic.Interface, management Management, options Options) *Operator {
	o := &Operator{
		core: core, custom: custom, management: management,
		namespace: options.Namespace, waits: options.Waits, image: options.Image, log: options.Log,
		now: time.Now, spawn: func(f func()) { go f() },
		memories: map[types.UID]*memory{},
		failures: &failures{pods: map[types.UID][]string{}},
	}
	if o.waits == (Waits{}) {
		o.waits = RealWaits()
	}
	if o.image == "" {
		o.image = DefaultImage
	}
	if o.log == nil {
		o.log = slog.Default()
	}
	return o
}

// Run reconciles until the context ends, and returns nil then. It outlives an API server that goes away: what fails is logged
// and tried again at the next resync.
func Run(ctx context.Context, config *rest.Config, options Options) error {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 100, 200 // a level-triggered loop of a lab, not a cluster of thousands
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make Kubernetes client: %w", err)
	}
	custom, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make dynamic client: %w", err)
	}
	o := New(core, custom, HTTP{}, options)
	var starts sync.WaitGroup
	defer starts.Wait()
	o.spawn = func(f func()) { starts.Go(f) }
	o.loop(ctx)
	return nil
}

func (o *Operator) loop(ctx context.Context) {
	tick := time.NewTicker(o.waits.Resync)
	defer tick.Stop()
	last := ""
	for {
		err := o.Reconcile(ctx)
		switch text := fmt.Sprint(err); {
		case ctx.Err() != nil:
			return
		case err != nil && text != last:
			o.log.Warn("reconcile; trying again", "error", err)
			last = text
		case err == nil:
			last = ""
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Reconcile looks once at every datacenter. An error of one does not keep the others from their round.
func (o *Operator) Reconcile(ctx context.Context) error {
	list, err := o.custom.Resource(Resource()).Namespace(o.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list datacenters: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b unstructured.Unstructured) int {
		return strings.Compare(a.GetNamespace()+"/"+a.GetName(), b.GetNamespace()+"/"+b.GetName())
	})
	o.forget(list.Items)
	var problems []error
	for i := range list.Items {
		if err := o.reconcile(ctx, &list.Items[i], list.Items); err != nil {
			problems = append(problems, fmt.Errorf("datacenter %s/%s: %w", list.Items[i].GetNamespace(), list.Items[i].GetName(), err))
		}
	}
	return errors.Join(problems...)
}

func (o *Operator) forget(present []unstructured.Unstructured) {
	for uid := range o.memories {
		if !slices.ContainsFunc(present, func(dc unstructured.Unstructured) bool { return dc.GetUID() == uid }) {
			delete(o.memories, uid)
		}
	}
}
