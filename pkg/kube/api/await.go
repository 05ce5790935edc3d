package api

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/flow"
)

// Await is a wait with a limit that says what it waits for.
type Await struct {
	// limit, by the clock of the client, and every of the looks.
	Limit, Every time.Duration
	// What is awaited, as in "until <what>".
	What string
	// Code of the error when the limit is over; flow.Precondition when 0.
	Code flow.Code
	// Progress is told what is waited for, whenever that changes.
	Progress func(string)
}

// Until looks until nothing is waited for. An error of the look ends the wait.
func (c *Client) Until(ctx context.Context, a Await, look func(context.Context) (waiting []string, err error)) error {
	deadline, told := c.Clock.Now().Add(a.Limit), ""
	if a.Code == 0 {
		a.Code = flow.Precondition
	}
	for {
		waiting, err := look(ctx)
		if err != nil || len(waiting) == 0 {
			return err
		}
		reason := Few(waiting)
		if !c.Clock.Now().Before(deadline) {
			return flow.Failf(a.Code, "waited %s until %s: %s", a.Limit, a.What, reason)
		}
		if reason != told && a.Progress != nil {
			a.Progress("waiting until " + a.What + ": " + reason)
			told = reason
		}
		if err := c.Clock.Wait(ctx, a.Every); err != nil {
			return fmt.Errorf("waiting until %s: %w: %s", a.What, err, reason)
		}
	}
}

// Few names the first of them, and says how many there are.
func Few(texts []string) string {
	const most = 4
	if len(texts) <= most {
		return strings.Join(texts, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(texts[:most], "; "), len(texts)-most)
}
