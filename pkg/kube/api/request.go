package api

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

// Request is what is asked of the API server, as errors name it and RBAC knows it.
type Request struct {
	Verb, resource, Namespace, Name string
}

// String reads as "get secrets/name in namespace ns".
func (r Request) String() string {
	what := r.resource
	if r.Name != "" {
		what += " " + r.Name
	}
	return fmt.Sprintf("%s %s in namespace %s", r.Verb, what, r.Namespace)
}

// NewRequest is a request as RBAC knows it; the name may be empty.
func NewRequest(verb, resource, namespace, name string) Request {
	return Request{Verb: verb, resource: resource, Namespace: namespace, Name: name}
}

const (
	// Patience of retries: an API server that is gone for half a minute, during
	// an upgrade of its node, must not fail a hook.
	Patience = 70 * time.Second
	// attempt bounds one try, so that a server that answers nothing is retried.
	attempt = 20 * time.Second
	// backoff between tries doubles from the first to the second figure.
	backoffFirst = 500 * time.Millisecond
	backoffMost  = 4 * time.Second
)

// Do sends a read or an idempotent write and repeats it while the API server
// cannot be reached or is overloaded. What an exec does is not known to be
// idempotent: it never comes here.
func (c *Client) Do(ctx context.Context, r Request, send func(context.Context) error) error {
	started := c.Clock.Now()
	wait := backoffFirst
	for {
		err := Once(ctx, send)
		if err == nil {
			return nil
		}
		waited := c.Clock.Now().Sub(started)
		if ctx.Err() != nil || !Transient(err) || waited+wait > c.patience {
			return c.explain(r, err, waited)
		}
		c.Notify("%s: %v: retrying in %s", r, err, wait)
		if c.Clock.Wait(ctx, wait) != nil {
			return c.explain(r, err, waited)
		}
		wait = min(2*wait, backoffMost)
	}
}

// Once is one try of a request, with a limit of its own.
func Once(ctx context.Context, send func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	return send(ctx)
}

// Transient errors say nothing of the request itself.
func Transient(err error) bool {
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
func (c *Client) explain(r Request, err error, waited time.Duration) error {
	switch {
	case apierrors.IsForbidden(err):
		return Forbidden(r, err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%s: the API server does not accept the credentials, which may have expired: log in again: %w", r, err)
	case Transient(err) && waited > 0:
		return fmt.Errorf("%s: tried for %s: %w", r, waited.Round(time.Second), err)
	}
	return fmt.Errorf("%s: %w", r, err)
}

// Forbidden says which permission the service account lacks.
func Forbidden(r Request, err error) error {
	return fmt.Errorf("the service account may not %s %s in namespace %s: add this permission to the Role (casshook generate rbac): %w",
		r.Verb, r.resource, r.Namespace, err)
}

// Absent tells an object, or a whole API group, that is not there.
func Absent(err error) bool { return apierrors.IsNotFound(err) }
