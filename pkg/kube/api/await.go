package api

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/casshook/casshook/pkg/flow"
)

// Wait is flow.Wait by the API server's clock, for what is told item by item. At the
// limit the code is flow.Precondition where none is given.
func (c *Client) Wait(ctx context.Context, w flow.Waiting, look func(context.Context) (waiting []string, err error)) error {
	w.Clock, w.Code = c.Clock, cmp.Or(w.Code, flow.Precondition)
	return flow.Wait(ctx, w, func(ctx context.Context) (string, error) {
		waiting, err := look(ctx)
		return Few(waiting), err
	})
}

// Few names the first of them, and says how many there are.
func Few(texts []string) string {
	const most = 4
	if len(texts) <= most {
		return strings.Join(texts, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(texts[:most], "; "), len(texts)-most)
}
