package cassandra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// APICall is one request that a node's stand-in of the Management API answered.
type APICall struct {
	Method string
	// Target is path and query as sent.
	Target string
	Status int
}

// APICalls reads the node's access log. It holds the lab's own calls too, among them many GET of readiness, endpoints and
// schema versions; it is emptied by ResetAPICalls.
func (n *Node) APICalls() ([]APICall, error) {
	text, err := os.ReadFile(n.accessLog())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read access log: %w", err)
	}
	return parseCalls(string(text))
}

// DelayedCalls are the NodeOps methods whose calls were or are delayed (APIOptions.Delay), from the moment that the delay begins.
func (n *Node) DelayedCalls() ([]string, error) {
	text, err := os.ReadFile(n.delayedLog())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read log of delayed calls: %w", err)
	}
	return strings.Fields(string(text)), nil
}

// ResetAPICalls empties the node's access log and that of delayed calls.
func (n *Node) ResetAPICalls() error {
	for _, file := range []string{n.accessLog(), n.delayedLog()} {
		if err := os.Truncate(file, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("empty access log: %w", err)
		}
	}
	return nil
}

func (n *Node) delayedLog() string { return n.accessLog() + ".delayed" }

func (n *Node) accessLog() string { return filepath.Join(n.dir, "api-access.log") }

func parseCalls(text string) ([]APICall, error) {
	var calls []APICall
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return nil, fmt.Errorf("parse access log: %q", line)
		}
		status, err := strconv.Atoi(fields[2])
		if err != nil {
			return nil, fmt.Errorf("parse access log: %w", err)
		}
		calls = append(calls, APICall{Method: fields[0], Target: fields[1], Status: status})
	}
	return calls, nil
}

// SetAPI changes the limit and the delays of the node's stand-in, at once if it runs. Disable only counts at a start.
func (n *Node) SetAPI(options APIOptions) error {
	options.Limit = orElse(options.Limit, n.ring.state.Options.API.Limit)
	path := n.conf("standin.properties")
	temp := path + ".tmp"
	if err := os.WriteFile(temp, []byte(n.apiProperties(options)), 0o644); err != nil {
		return fmt.Errorf("configure stand-in of %s: %w", n.Name, err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("configure stand-in of %s: %w", n.Name, err)
	}
	return nil
}

func (n *Node) apiProperties(options APIOptions) string {
	var text strings.Builder
	fmt.Fprintf(&text, "socket=%s\naccessLog=%s\nport=%d\n", n.socket, n.accessLog(), apiPort)
	if n.APIURL != "" {
		fmt.Fprintf(&text, "address=%s\n", n.Address)
	}
	fmt.Fprintf(&text, "limitMillis=%d\n", options.Limit.Milliseconds())
	for method, delay := range options.Delay {
		fmt.Fprintf(&text, "delayMillis.%s=%d\n", method, delay.Milliseconds())
	}
	return text.String()
}

// APIClient is an HTTP client whose every connection goes to the node's socket, whatever host the URL names.
func (n *Node) APIClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", n.socket)
		},
	}}
}

// ask sends a GET to the stand-in on a new connection and decodes the JSON answer; no into, no decoding.
func (n *Node) ask(ctx context.Context, path string, into any) error {
	client := n.APIClient()
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.Name+path, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", n.Name, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", n.Name, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("ask %s: %w", n.Name, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask %s: GET %s: %s: %s", n.Name, path, response.Status, body)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("ask %s: GET %s: %w", n.Name, path, err)
	}
	return nil
}
