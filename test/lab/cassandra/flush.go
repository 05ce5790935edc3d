package cassandra

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"golang.org/x/sync/errgroup"
)

// Flush writes the memtables of one table to disk on all nodes.
func (r *Ring) Flush(ctx context.Context, keyspace, table string) error {
	body, err := json.Marshal(map[string]any{"keyspace_name": keyspace, "tables": []string{table}, "jobs": 0})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, n := range r.Nodes() {
		group.Go(func() error { return n.flush(ctx, body) })
	}
	return group.Wait()
}

func (n *Node) flush(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://node/api/v0/ops/tables/flush", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := n.APIClient().Do(req)
	if err != nil {
		return fmt.Errorf("flush on %s: %w", n.Name, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("flush on %s: %w", n.Name, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("flush on %s: %s: %s", n.Name, resp.Status, text)
	}
	return nil
}
