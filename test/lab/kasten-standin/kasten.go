package kastenstandin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister"
)

// Actions runs one action of a Blueprint to its end. Its error is why the action
// failed; the result may be nil then.
type Actions interface {
	Run(ctx context.Context, bp *kanister.Blueprint, action kanister.Action) (*kanister.Result, error)
}

var _ Actions = (*kanister.Controller)(nil)

// Kasten backs up and restores namespaces.
type Kasten struct {
	Dynamic   dynamic.Interface
	Discovery discovery.DiscoveryInterface
	Actions   Actions
	Catalog   *Catalog
	// Namespace is Kasten's own, where Blueprints would be.
	Namespace string
	// Dir holds the restore points, a folder each.
	Dir string
	// SnapshotClass of the VolumeSnapshots; "" is the cluster's default.
	SnapshotClass string
	// NoForceRoot is forceRootInBlueprintActions: false.
	NoForceRoot bool
	// NoBuiltIns is kanister.managedDataServicesBlueprintsEnabled: false.
	NoBuiltIns bool
	// Attempts of a backup or restore; 0 means 3.
	Attempts int
	// Parallel limits the workloads that are snapshotted at a time; 0 means 5.
	Parallel int
	Limits   Limits
	// Poll is the time between looks at an object; 0 means a second.
	Poll time.Duration
	// Progress takes a line a step; nil drops them.
	Progress io.Writer
}

// Limits of waiting. A zero is the default.
type Limits struct {
	// Hook limits action hooks, backupPrehook, backupPosthook, restorePrehook and
	// restorePosthook: 20 minutes.
	Hook time.Duration
	// Backup and Delete limit the actions backup and delete: 45 minutes.
	Backup, Delete time.Duration
	// Restore limits the action restore: 600 minutes.
	Restore time.Duration
	// Workload limits the wait for a workload to be ready: 15 minutes.
	Workload time.Duration
	// Volume limits the wait for a snapshot to be ready, and for a claim or a
	// workload to be gone: 15 minutes.
	Volume time.Duration
}

// State is how an action ended.
type State string

// The states that the stand-in knows of Kasten's.
const (
	Complete  State = "Complete"
	Failed    State = "Failed"
	Cancelled State = "Cancelled"
)

// Result is what became of a backup or a restore of one namespace.
type Result struct {
	Namespace string
	State     State
	// RestorePoint is its name; a backup that failed has none.
	RestorePoint string
	Events       []Event
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// run is what backups and restores have in common: one namespace, its steps, and
// what the cluster serves.
type run struct {
	*Kasten
	recorder
	namespace string
	served    []served
	// done are the hooks that succeeded; they are not run again.
	done map[string]bool
}

// served is one namespaced resource of the API server.
type served struct {
	gvr      schema.GroupVersionResource
	kind     string
	listable bool
}

func (k *Kasten) newRun(namespace string) (*run, error) {
	r := &run{Kasten: k, namespace: namespace, done: map[string]bool{}}
	r.progress = k.Progress
	lists, err := discovery.ServerPreferredNamespacedResources(k.Discovery)
	if err != nil {
		return nil, fmt.Errorf("discover the resources of the cluster: %w", err)
	}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, resource := range list.APIResources {
			verbs := []string(resource.Verbs)
			r.served = append(r.served, served{gvr: gv.WithResource(resource.Name), kind: resource.Kind,
				listable: slices.Contains(verbs, "list") && slices.Contains(verbs, "get")})
		}
	}
	return r, nil
}

// attempts runs one attempt after the other until one succeeds.
func (r *run) attempts(ctx context.Context, attempt func(context.Context) error) error {
	var err error
	for n := 1; n <= or(r.Attempts, 3); n++ {
		err = r.step(EventAttempt, fmt.Sprint(n), func() error { return attempt(ctx) })
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// hook runs an action hook. It is about the namespace unless it names a subject.
func (r *run) hook(ctx context.Context, event string, h *Hook) error {
	if h == nil || r.done[event] {
		return nil
	}
	subject := kanister.ObjectReference{Kind: "Namespace", Name: r.namespace, Namespace: r.namespace}
	if s := h.Subject; s != nil {
		subject = kanister.ObjectReference{Kind: s.Type, Name: s.Name, Namespace: s.Namespace}
	}
	err := r.step(event, h.Blueprint+"/"+h.ActionName, func() error {
		bp, err := r.Catalog.blueprint(h.Blueprint)
		if err != nil {
			return err
		}
		_, err = r.action(ctx, bp, kanister.Action{Name: h.ActionName, Object: subject})
		return err
	})
	r.done[event] = err == nil
	return err
}

// bound runs a reserved action of a Blueprint on the resource it is bound to. A
// Blueprint without the action is no error.
func (r *run) bound(ctx context.Context, name string, bp *kanister.Blueprint, o object, artifacts map[string]kanister.Artifact) (map[string]kanister.Artifact, error) {
	key := name + " " + o.ID.String()
	if bp == nil || bp.Actions[name] == nil || r.done[key] {
		return nil, nil
	}
	in := inputs(bp.Actions[name], artifacts)
	var out map[string]kanister.Artifact
	err := r.step(name, o.ID.String(), func() error {
		result, err := r.action(ctx, bp, kanister.Action{Name: name, Object: r.reference(o), Artifacts: in})
		if err == nil {
			out = result.Artifacts
		}
		return err
	})
	return out, err
}

// inputs are the artifacts that an action names and that are there.
func inputs(a *kanister.BlueprintAction, artifacts map[string]kanister.Artifact) map[string]kanister.Artifact {
	in := map[string]kanister.Artifact{}
	for _, wanted := range a.InputArtifactNames {
		if artifact, ok := artifacts[wanted]; ok {
			in[wanted] = artifact
		}
	}
	return in
}

// reference is the subject of a bound action. Only the workloads have a kind, as
// they are all that Kanister has types for.
func (r *run) reference(o object) kanister.ObjectReference {
	ref := kanister.ObjectReference{Group: o.Group, APIVersion: o.Version, Resource: o.Resource, Name: o.Name, Namespace: r.namespace}
	if o.is("apps", "statefulsets", "deployments") {
		ref.Kind = o.Resource[:len(o.Resource)-1]
	}
	return ref
}

func (r *run) action(ctx context.Context, bp *kanister.Blueprint, action kanister.Action) (*kanister.Result, error) {
	override, err := r.podOverride(ctx)
	if err != nil {
		return nil, err
	}
	action.PodOverride = override
	limit := r.limit(action.Name)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the action has taken longer than %s", limit))
	defer cancel()
	result, err := r.Actions.Run(ctx, bp, action)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return result, err
}

// limit is about the whole action: all phases and the defer phase.
func (r *run) limit(action string) time.Duration {
	switch action {
	case ActionBackup:
		return or(r.Limits.Backup, 45*time.Minute)
	case ActionDelete:
		return or(r.Limits.Delete, 45*time.Minute)
	case ActionRestore:
		return or(r.Limits.Restore, 600*time.Minute)
	default:
		return or(r.Limits.Hook, 20*time.Minute)
	}
}

// podOverride is what Kasten puts into every ActionSet: pod-spec-override, and root
// unless the namespace forbids it.
func (r *run) podOverride(ctx context.Context) (map[string]any, error) {
	override := maps.Clone(r.Catalog.PodSpecOverride)
	if override == nil {
		override = map[string]any{}
	}
	if r.NoForceRoot {
		return override, nil
	}
	ns, err := r.Dynamic.Resource(corev1.SchemeGroupVersion.WithResource("namespaces")).Get(ctx, r.namespace, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get namespace %s: %w", r.namespace, err)
	}
	if ns.GetLabels()[restrictedLabel] == restricted {
		override["securityContext"] = map[string]any{"runAsUser": int64(1000), "runAsNonRoot": true}
	} else {
		override["securityContext"] = map[string]any{"runAsUser": int64(0), "runAsNonRoot": false}
	}
	return override, nil
}

// await polls until something is so, and says what it waited for.
func (r *run) await(ctx context.Context, limit time.Duration, what string, so func(context.Context) (bool, error)) error {
	err := wait.PollUntilContextTimeout(ctx, or(r.Poll, time.Second), limit, true, so)
	if err != nil {
		return fmt.Errorf("wait up to %s for %s: %w", limit, what, err)
	}
	return nil
}

func (r *run) client(gvr schema.GroupVersionResource) dynamic.ResourceInterface {
	return r.Dynamic.Resource(gvr).Namespace(r.namespace)
}

func (r *run) clientOf(id ID) dynamic.ResourceInterface { return r.client(id.gvr()) }

// result is the end of an action.
func (r *run) result(ctx context.Context, point string, err error) *Result {
	result := &Result{Namespace: r.namespace, State: Complete, RestorePoint: point, Events: r.all()}
	switch {
	case err != nil && ctx.Err() != nil:
		result.State = Cancelled
	case err != nil:
		result.State = Failed
	}
	return result
}
