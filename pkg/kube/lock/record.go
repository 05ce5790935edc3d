package lock

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/escape"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// States of a record.
const (
	stateRunning   = "running"
	stateCompleted = "completed"
	stateFailed    = "failed"
)

// Record shows people in Kubernetes how an operation on a ring goes: a ConfigMap
// with the current step, and Events on the datacenters. It is a mirror: nothing
// reads it, and when it cannot be written the operation goes on and the client's
// Notify is told. It passes all it is told on to another observer.
type Record struct {
	client    *api.Client
	of        Ring
	operation string
	next      flow.Observer

	mu   sync.Mutex
	data map[string]string
	// changed wakes the writer; what is there in between is left out.
	changed chan struct{}
	stop    context.CancelFunc
	stopped chan struct{}
	failed  bool
}

var _ flow.Observer = (*Record)(nil)

// Keys of the ConfigMap's data.
const (
	keyOperation   = "operation"
	keyBackup      = "backupId"
	keyState       = "state"
	keyStep        = "step"
	keyStarted     = "started"
	keyFinished    = "finished"
	keyMessage     = "message"
	keyDatacenters = "datacenterUids"
	keyHost        = "host"
)

// NewRecord makes the record of an operation, such as "before-backup".
func NewRecord(client *api.Client, of Ring, operation string, next flow.Observer) *Record {
	return &Record{client: client, of: of, operation: operation, next: next, changed: make(chan struct{}, 1), stop: func() {}, stopped: closed()}
}

// Start begins the record and says so with an Event.
func (r *Record) Start(ctx context.Context) {
	r.mu.Lock()
	r.data = map[string]string{
		keyOperation: r.operation, keyState: stateRunning, keyStarted: r.now(), keyHost: hostname(),
		keyDatacenters: strings.Join(r.of.uids(), ","),
	}
	r.mu.Unlock()
	r.event(ctx, corev1.EventTypeNormal, "Started", r.operation+" started")
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	stopped := make(chan struct{})
	r.stop, r.stopped = stop, stopped
	go func() {
		defer close(stopped)
		r.follow(run)
	}()
	r.wake()
}

// recordEvery is the least time between two writes: steps may be quick.
const recordEvery = time.Second

func (r *Record) follow(ctx context.Context) {
	for {
		select {
		case <-r.changed:
		case <-ctx.Done():
			return
		}
		r.write(ctx)
		if flow.Sleep(ctx, recordEvery) != nil {
			return
		}
	}
}

// finishLimit bounds what Finish does when the flow's own context may be gone.
const finishLimit = 15 * time.Second

// Finish ends the record with the operation's backup id, if any, and its error.
func (r *Record) Finish(ctx context.Context, backupID string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishLimit)
	defer cancel()
	r.stop()
	<-r.stopped
	kind, reason, message, state := corev1.EventTypeNormal, "Completed", r.operation+" completed", stateCompleted
	if err != nil {
		kind, reason, message, state = corev1.EventTypeWarning, "Failed", r.operation+" failed: "+brief(err.Error()), stateFailed
	}
	if backupID != "" {
		message += " (backup " + backupID + ")"
	}
	r.set(map[string]string{keyState: state, keyFinished: r.now(), keyMessage: message, keyBackup: backupID})
	r.write(ctx)
	r.event(ctx, kind, reason, message)
}

// brief is short enough for an Event, whose message has at most 1024 bytes.
func brief(text string) string {
	const most = 800
	text = escape.Text(strings.Join(strings.Fields(text), " "))
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

func (r *Record) now() string { return r.client.Clock.Now().UTC().Format(time.RFC3339) }

func (r *Record) set(changes map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.data == nil { // not started
		return
	}
	for key, value := range changes {
		r.data[key] = value
	}
}

func (r *Record) wake() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Begin implements flow.Observer.
func (r *Record) Begin(step string) {
	r.set(map[string]string{keyStep: step, keyMessage: ""})
	r.wake()
	r.next.Begin(step)
}

// End implements flow.Observer.
func (r *Record) End(step string, took time.Duration, err error) {
	if err != nil {
		r.set(map[string]string{keyMessage: brief(err.Error())})
		r.wake()
	}
	r.next.End(step, took, err)
}

// Progress implements flow.Observer.
func (r *Record) Progress(message string) {
	r.set(map[string]string{keyMessage: brief(message)})
	r.wake()
	r.next.Progress(message)
}

// write writes the ConfigMap as it is to be, whatever is there: one that came back
// with a restore point is simply overwritten. Somebody else's is left alone.
func (r *Record) write(ctx context.Context) {
	r.mu.Lock()
	data := map[string]string{}
	for key, value := range r.data {
		data[key] = value
	}
	r.mu.Unlock()
	r.tell(ctx, r.put(ctx, data))
}

func (r *Record) put(ctx context.Context, data map[string]string) error {
	c, namespace, name := r.client, r.of.Namespace, objects.RingObject(r.of.Cluster)
	maps := c.Typed.CoreV1().ConfigMaps(namespace)
	var found *corev1.ConfigMap
	err := c.Do(ctx, api.NewRequest("get", "configmaps", namespace, name), func(ctx context.Context) (err error) {
		found, err = maps.Get(ctx, name, metav1.GetOptions{})
		return err
	})
	if api.Absent(err) {
		o := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: objects.OwnLabels()}, Data: data}
		return c.Do(ctx, api.NewRequest("create", "configmaps", namespace, name), func(ctx context.Context) error {
			_, err := maps.Create(ctx, o, metav1.CreateOptions{})
			return err
		})
	}
	if err != nil {
		return err
	}
	if found.Labels[objects.ManagedByLabel] != objects.OwnName {
		return fmt.Errorf("the configmap %s/%s is not casshook's (no label %s=%s)", namespace, name, objects.ManagedByLabel, objects.OwnName)
	}
	found.Data, found.BinaryData, found.ResourceVersion = data, nil, "" // the last one wins
	return c.Do(ctx, api.NewRequest("update", "configmaps", namespace, name), func(ctx context.Context) error {
		_, err := maps.Update(ctx, found, metav1.UpdateOptions{})
		return err
	})
}

// tell says once that the record cannot be written.
func (r *Record) tell(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	first := !r.failed
	r.failed = true
	r.mu.Unlock()
	if first {
		r.client.Notify("cannot write the record in Kubernetes (this does no harm): %v", err)
	}
}
