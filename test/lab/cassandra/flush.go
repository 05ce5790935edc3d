package cassandra

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

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
	client := n.APIClient()
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
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

// Agree waits until all nodes have one schema version, as they say themselves.
func (r *Ring) Agree(ctx context.Context) error {
	const patience = 2 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		versions := map[string][]string{}
		if err := r.Node(1).ask(ctx, "/api/v1/ops/node/schema/versions", &versions); err != nil {
			return err
		}
		if len(versions) == 1 {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("wait for one schema version, have %v: %w", versions, ctx.Err())
		}
	}
}
