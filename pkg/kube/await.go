package kube

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/flow"
)

// await is a wait with a limit that says what it waits for.
type await struct {
	// limit, by the clock of the client, and every of the looks.
	limit, every time.Duration
	// what is awaited, as in "until <what>".
	what string
	// code of the error when the limit is over; flow.Precondition when 0.
	code flow.Code
	// progress is told what is waited for, whenever that changes.
	progress func(string)
}

// until looks until nothing is waited for. An error of the look ends the wait.
func (c *apiClient) until(ctx context.Context, a await, look func(context.Context) (waiting []string, err error)) error {
	deadline, told := c.clock.Now().Add(a.limit), ""
	if a.code == 0 {
		a.code = flow.Precondition
	}
	for {
		waiting, err := look(ctx)
		if err != nil || len(waiting) == 0 {
			return err
		}
		reason := few(waiting)
		if !c.clock.Now().Before(deadline) {
			return flow.Failf(a.code, "waited %s until %s: %s", a.limit, a.what, reason)
		}
		if reason != told && a.progress != nil {
			a.progress("waiting until " + a.what + ": " + reason)
			told = reason
		}
		if err := c.clock.Wait(ctx, a.every); err != nil {
			return fmt.Errorf("waiting until %s: %w: %s", a.what, err, reason)
		}
	}
}

// few names the first of them, and says how many there are.
func few(texts []string) string {
	const most = 4
	if len(texts) <= most {
		return strings.Join(texts, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(texts[:most], "; "), len(texts)-most)
}
