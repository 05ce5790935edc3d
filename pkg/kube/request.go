package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// request is what is asked of the API server, as errors name it and RBAC knows it.
type request struct {
	verb, resource, namespace, name string
}

// String reads as "get secrets/name in namespace ns".
func (r request) String() string {
	what := r.resource
	if r.name != "" {
		what += " " + r.name
	}
	return fmt.Sprintf("%s %s in namespace %s", r.verb, what, r.namespace)
}

func newRequest(verb, resource, namespace, name string) request {
	return request{verb: verb, resource: resource, namespace: namespace, name: name}
}

const (
	// patience of retries: an API server that is gone for half a minute, during
	// an upgrade of its node, must not fail a hook.
	patience = 70 * time.Second
	// attempt bounds one try, so that a server that answers nothing is retried.
	attempt = 20 * time.Second
	// backoff between tries doubles from the first to the second figure.
	backoffFirst = 500 * time.Millisecond
	backoffMost  = 4 * time.Second
)

// do sends a read or an idempotent write and repeats it while the API server
// cannot be reached or is overloaded. What an exec does is not known to be
// idempotent: it never comes here.
func (c *apiClient) do(ctx context.Context, r request, send func(context.Context) error) error {
	started := c.clock.Now()
	wait := backoffFirst
	for {
		err := once(ctx, send)
		if err == nil {
			return nil
		}
		waited := c.clock.Now().Sub(started)
		if ctx.Err() != nil || !transient(err) || waited+wait > c.patience {
			return c.explain(r, err, waited)
		}
		c.notify("%s: %v: trying again in %s", r, err, wait)
		if c.clock.Wait(ctx, wait) != nil {
			return c.explain(r, err, waited)
		}
		wait = min(2*wait, backoffMost)
	}
}

func once(ctx context.Context, send func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	return send(ctx)
}

// transient errors say nothing of the request itself.
func transient(err error) bool {
	var network net.Error
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &status):
		code := status.Status().Code
		return code >= http.StatusInternalServerError || code == http.StatusTooManyRequests
	case errors.As(err, &network) && network.Timeout():
		return true
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return true
	}
	return utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) || utilnet.IsHTTP2ConnectionLost(err) || utilnet.IsProbableEOF(err)
}

// explain makes an error that a person can act on.
func (c *apiClient) explain(r request, err error, waited time.Duration) error {
	switch {
	case apierrors.IsForbidden(err):
		return forbidden(r, err)
	case transient(err) && waited > 0:
		return fmt.Errorf("%s: tried for %s: %w", r, waited.Round(time.Second), err)
	}
	return fmt.Errorf("%s: %w", r, err)
}

func forbidden(r request, err error) error {
	return fmt.Errorf("the service account may not %s %s in namespace %s: add it to the Role; casshook generate rbac writes it: %w",
		r.verb, r.resource, r.namespace, err)
}

// absent tells an object, or a whole API group, that is not there.
func absent(err error) bool { return apierrors.IsNotFound(err) }
