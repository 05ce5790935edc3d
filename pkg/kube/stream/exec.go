package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/client-go/util/exec"

	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
)

// tailLimit is how much of a command's last words an error keeps.
const tailLimit = 2000

// Exec implements ring.Exec in the container of Cassandra. It is never repeated:
// nobody knows how far a command came whose stream was cut. When ctx ends the
// stream is closed, which takes its stdin from the command; there are no signals
// through the API server.
func (p *Pods) Exec(ctx context.Context, node ring.Node, c ring.Command) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stderr, out := &tail{limit: tailLimit}, &output{next: c.Stdout, tail: tail{limit: tailLimit}}
	defer out.close()
	argv, opts := c.Argv, remotecommand.StreamOptions{Stdin: c.Stdin, Stdout: out, Stderr: stderr}
	var agent *upload
	if runsAgent(c.Argv) {
		argv = []string{"casshook-agent", "serve"} // the script would hide the reason
		agent = p.options.Agents.upload(c.Stdin, out, cancel)
		defer agent.end()
		opts.Stdin, opts.Stdout = agent.stdin, agent
	}
	err := p.streams.exec(ctx, p.namespace, node.Name, c.Argv, opts)
	if err == nil && agent != nil && agent.cut() {
		err = errEnded
	}
	if err == nil {
		return nil
	}
	failed := &ring.ExecError{Node: node.Name, Argv: argv, Code: -1, Tail: stderr.String(), Err: err}
	if failed.Tail == "" && agent == nil { // the agent's stdout is no text for people
		failed.Tail = out.last()
	}
	var exit utilexec.CodeExitError
	if errors.As(err, &exit) {
		failed.Code = exit.Code
	}
	failed.Err = p.why(ctx, node, failed.Code, err)
	if agent != nil {
		failed.Err = agent.why(failed.Code, failed.Err)
	}
	return failed
}

var errEnded = errors.New("the streams ended before the agent was told to end")

// killed is the exit code from which on a signal ended the process.
const killed = 128

// The kubelet tells of a container's end a moment later than its streams do.
const (
	changeLag  = 3 * time.Second
	changePoll = 500 * time.Millisecond
)

// why tells what ended a command that did not end by itself.
func (p *Pods) why(ctx context.Context, node ring.Node, code int, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("stopped: %w", context.Cause(ctx))
	case apierrors.IsForbidden(err):
		return api.Forbidden(api.NewRequest("create", "pods/exec", p.namespace, node.Name), err)
	case code >= 0 && code <= killed:
		return err
	}
	for waited := time.Duration(0); waited <= changeLag; waited += changePoll {
		if text := p.podChange(ctx, node); text != "" {
			return fmt.Errorf("%s: %w", text, err)
		}
		if p.client.Clock.Wait(ctx, changePoll) != nil {
			break
		}
	}
	if code > killed {
		return err
	}
	return fmt.Errorf("the stream to the pod broke, although its container is running: check the API server, the network and proxies: %w", err)
}

// podChange says what became of a pod since Nodes saw it; "" when nothing did.
func (p *Pods) podChange(ctx context.Context, node ring.Node) string {
	var pod *corev1.Pod
	err := api.Once(ctx, func(ctx context.Context) (err error) {
		pod, err = p.client.Typed.CoreV1().Pods(p.namespace).Get(ctx, node.Name, metav1.GetOptions{})
		return err
	})
	seen := p.options.Seen(node.Name)
	switch {
	case api.Absent(err):
		return "the pod is gone"
	case err != nil:
		return fmt.Sprintf("the stream to the pod broke, and the pod cannot be read (%v)", err)
	case seen.UID != "" && pod.UID != seen.UID:
		return "the pod was replaced by a new one"
	}
	status := objects.ContainerStatus(pod)
	switch {
	case status == nil || status.State.Running == nil:
		return "the container " + objects.CassandraContainer + " is not running" + objects.StateOf(status)
	case seen.ContainerID != "" && status.ContainerID != seen.ContainerID:
		return "the container " + objects.CassandraContainer + " was restarted" + lastEnd(status)
	case pod.DeletionTimestamp != nil:
		return "the pod is being deleted"
	}
	return ""
}

func lastEnd(status *corev1.ContainerStatus) string {
	if end := status.LastTerminationState.Terminated; end != nil {
		return fmt.Sprintf(" (ended before: %s, exit code %d)", end.Reason, end.ExitCode)
	}
	return ""
}

// output passes a command's stdout on until it is closed, since a stream that was
// given up may go on for a moment, and keeps its end.
type output struct {
	mu     sync.Mutex
	next   io.Writer
	closed bool
	tail   tail
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0, io.ErrClosedPipe
	}
	_, _ = o.tail.Write(p)
	if o.next == nil {
		return len(p), nil
	}
	return o.next.Write(p)
}

func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}

func (o *output) last() string { return o.tail.String() }

// tail keeps the end of what is written.
type tail struct {
	mu    sync.Mutex
	limit int
	buf   bytes.Buffer
}

// Write implements io.Writer.
func (w *tail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(p)
	if extra := w.buf.Len() - w.limit; extra > 0 {
		w.buf.Next(extra)
	}
	return len(p), nil
}

// String is the end, without blanks around it.
func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.TrimSpace(w.buf.String())
}
