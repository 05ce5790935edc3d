package kanister

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"k8s.io/client-go/dynamic"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister/param"
)

// ErrNeverStatus is an ActionSet whose status the real controller never sets: its
// subject has a kind that Kanister does not know, and no version or resource.
var ErrNeverStatus = errors.New("the controller would only log this and never set a status")

// Streams reads from pods. The fakes of tests implement it, and ClusterStreams.
type Streams interface {
	// Follow opens the log of a container and follows it until the container ends,
	// from the beginning or, when since is not zero, from then on.
	Follow(ctx context.Context, namespace, pod, container string, since time.Time) (io.ReadCloser, error)
}

// Controller runs actions.
type Controller struct {
	Dynamic dynamic.Interface
	Streams Streams
	// Namespace is where the controller runs, ServiceAccount as whom: pods there
	// inherit it.
	Namespace, ServiceAccount string
	// PodReady limits how long a pod may be Pending; 0 means 15 minutes.
	PodReady time.Duration
	// Poll is the time between looks at a pod or an object; 0 means a second.
	Poll time.Duration
	// Log takes what pods print; nil drops it.
	Log io.Writer
}

// Action is one action of an ActionSet.
type Action struct {
	Name        string
	Object      ObjectReference
	Artifacts   map[string]Artifact
	Options     map[string]string
	PodOverride map[string]any
	PodLabels   map[string]string
	// PodAnnotations and PodLabels give way to those of a phase with the same key.
	PodAnnotations map[string]string
}

// Result is what an action leaves.
type Result struct {
	// Phases are the outputs of the phases that succeeded, by name.
	Phases map[string]map[string]any
	// Artifacts are rendered only when all phases succeeded.
	Artifacts map[string]Artifact
}

// phase is a phase with its function and its rendered references.
type phase struct {
	BlueprintPhase
	function function
	objects  map[string]ObjectReference
}

// Run runs an action to its end: all phases one after the other until one fails,
// the defer phase whatever happened, the output artifacts if all went well. The
// time limit is the caller's context; cancelling it deletes a running pod with no
// grace, and the defer phase then gets a context that is over.
func (c *Controller) Run(ctx context.Context, bp *Blueprint, action Action) (*Result, error) {
	a := bp.Actions[action.Name]
	if a == nil {
		return nil, param.Errorf("Action %s for object kind %s not found in blueprint %s", action.Name, action.Object.Kind, bp.Name)
	}
	tp, err := c.params(ctx, action)
	if err != nil {
		return nil, err
	}
	all := a.Phases
	if a.DeferPhase != nil {
		all = append(append([]BlueprintPhase{}, all...), *a.DeferPhase)
	}
	phases, err := prepare(all, tp)
	if err != nil {
		return nil, err
	}
	result := &Result{Phases: map[string]map[string]any{}}
	tp.Phases = map[string]*param.Phase{}
	err = c.runPhases(ctx, phases[:len(a.Phases)], tp, result)
	if a.DeferPhase != nil {
		err = errors.Join(err, c.runDefer(ctx, phases[len(a.Phases)], tp, result))
	}
	if err != nil {
		return result, err
	}
	result.Artifacts, err = param.Artifacts(a.OutputArtifacts, tp)
	return result, err
}

// prepare finds the functions of all phases and renders all their references,
// before the first phase runs: they cannot use outputs.
func prepare(all []BlueprintPhase, tp *param.TemplateParams) ([]phase, error) {
	phases := make([]phase, 0, len(all))
	for _, p := range all {
		f, ok := functionNamed(p.Func)
		if !ok {
			return nil, param.Errorf("Requested function {%s} has not been registered", p.Func)
		}
		objects, err := param.Objects(p.Objects, tp)
		if err != nil {
			return nil, fmt.Errorf("phase %s: %w", p.Name, err)
		}
		phases = append(phases, phase{BlueprintPhase: p, function: f, objects: objects})
	}
	return phases, nil
}

func (c *Controller) runPhases(ctx context.Context, phases []phase, tp *param.TemplateParams, result *Result) error {
	for _, p := range phases {
		objects, err := c.fetchObjects(ctx, p.objects)
		if err != nil {
			return fmt.Errorf("phase %s: %w", p.Name, err)
		}
		tp.Phases[p.Name] = objects
		if objects.Output, err = c.runPhase(ctx, p, tp); err != nil {
			return fmt.Errorf("phase %s: %w", p.Name, err)
		}
		result.Phases[p.Name] = objects.Output
	}
	return nil
}

func (c *Controller) runDefer(ctx context.Context, p phase, tp *param.TemplateParams, result *Result) error {
	objects, err := c.fetchObjects(ctx, p.objects)
	if err != nil {
		return fmt.Errorf("defer phase %s: %w", p.Name, err)
	}
	tp.DeferPhase = objects
	if objects.Output, err = c.runPhase(ctx, p, tp); err != nil {
		return fmt.Errorf("defer phase %s: %w", p.Name, err)
	}
	result.Phases[p.Name] = objects.Output
	return nil
}

// runPhase renders the args and calls the function.
func (c *Controller) runPhase(ctx context.Context, p phase, tp *param.TemplateParams) (map[string]any, error) {
	args, err := param.RenderArgs(p.Args, tp)
	if err != nil {
		return nil, err
	}
	if err := p.function.checkArgs(args); err != nil {
		return nil, err
	}
	fmt.Fprintf(c.log(), "phase %s (%s)\n", p.Name, p.Func)
	return p.function.run(c, ctx, call{args: args, tp: tp})
}

func (c *Controller) log() io.Writer {
	if c.Log == nil {
		return io.Discard
	}
	return c.Log
}

func (c *Controller) poll() time.Duration {
	if c.Poll == 0 {
		return time.Second
	}
	return c.Poll
}

func (c *Controller) podReady() time.Duration {
	if c.PodReady == 0 {
		return 15 * time.Minute
	}
	return c.PodReady
}
