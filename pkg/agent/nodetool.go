package agent

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
)

// nodetool runs the nodetool command of the node: a JVM start a call, so it is
// the last resort.
type nodetool struct {
	argv []string
	// limit of a call; nodetoolLimit when 0.
	limit time.Duration
}

// nodetoolLimit is how long a call may take, the start of a JVM included. Those that
// Cassandra may work on for longer have a limit of their own, or are of unknown outcome
// after it.
const nodetoolLimit = 2 * time.Minute

// tailBytes is how much of a command's output an error keeps.
const tailBytes = 2000

func (t *nodetool) run(ctx context.Context, args ...string) (string, error) {
	return t.runFor(ctx, 0, args...)
}

// runFor is run of a call that may take longer than others. After the limit it kills
// nodetool, and Cassandra may go on.
func (t *nodetool) runFor(ctx context.Context, limit time.Duration, args ...string) (string, error) {
	limit = max(limit, cmp.Or(t.limit, nodetoolLimit))
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w: waited %s", errUnknown, limit))
	defer cancel()
	argv := append(append([]string{}, t.argv[1:]...), args...)
	cmd := exec.CommandContext(ctx, t.argv[0], argv...)
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: asRoot()} // nodetool is a script, and its JVM must not outlive it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err != nil && ctx.Err() != nil {
		return "", fmt.Errorf("nodetool %s: %w", strings.Join(args, " "), context.Cause(ctx))
	}
	if err != nil {
		return "", fmt.Errorf("nodetool %s: %w: %s", strings.Join(args, " "), err, reason(stderr.String()+stdout.String()))
	}
	return stdout.String(), nil
}

// reason is the line of nodetool's output that says what is wrong, or its tail.
func reason(output string) string {
	for _, line := range strings.Split(output, "\n") {
		if text, ok := strings.CutPrefix(line, "error: "); ok {
			return text
		}
	}
	output = strings.TrimSpace(output)
	return output[max(0, len(output)-tailBytes):]
}

var (
	statusLine = regexp.MustCompile(`^([UD?])([NLJMS])\s+(\S+)\s.*\s([0-9a-f]{8}-[0-9a-f-]{27})\s+(.+?)\s*$`)
	dcLine     = regexp.MustCompile(`^Datacenter: (.+?)\s*$`)
	idLine     = regexp.MustCompile(`(?m)^ID\s*: ([0-9a-f-]{36})\s*$`)
	tokenHead  = regexp.MustCompile(`^--\s.*\sHost ID\s+Token\s+Rack\s*$`)
	versLine   = regexp.MustCompile(`(?m)^ReleaseVersion: (\S+)\s*$`)
)

func (t *nodetool) facts(ctx context.Context) (wire.Facts, error) {
	f := wire.Facts{Via: "nodetool"}
	info, err := t.run(ctx, "info")
	if err != nil {
		return f, err
	}
	id := idLine.FindStringSubmatch(info)
	if id == nil {
		return f, errors.New("nodetool info: no host ID in its output")
	}
	f.HostID = id[1]
	version, err := t.run(ctx, "version")
	if err != nil {
		return f, err
	}
	if m := versLine.FindStringSubmatch(version); m != nil {
		f.Release = m[1]
	}
	status, err := t.run(ctx, "status")
	if err != nil {
		return f, err
	}
	f.Endpoints, err = parseStatus(status)
	return f, err
}

func parseStatus(text string) ([]wire.Endpoint, error) {
	var endpoints []wire.Endpoint
	dc, oneToken := "", false
	for _, line := range strings.Split(text, "\n") {
		if m := dcLine.FindStringSubmatch(line); m != nil {
			dc = m[1]
		}
		if strings.HasPrefix(line, "--") { // a ring of one token a node has it before the rack
			oneToken = tokenHead.MatchString(line)
		}
		if m := statusLine.FindStringSubmatch(line); m != nil {
			rack := m[5]
			if _, after, ok := strings.Cut(rack, " "); ok && oneToken {
				rack = strings.TrimSpace(after)
			}
			endpoints = append(endpoints, wire.Endpoint{
				Address: m[3], HostID: m[4], Datacenter: dc, Rack: rack, Up: m[1] == "U", Normal: m[2] == "N",
			})
		}
	}
	if len(endpoints) == 0 {
		return nil, fmt.Errorf("nodetool status: no node in its output: %s", reason(text))
	}
	return endpoints, nil
}

// schemaVersions is left to gossip: a JVM start takes longer than gossip does.
func (t *nodetool) schemaVersions(context.Context) (wire.SchemaVersions, error) { return nil, nil }

func (t *nodetool) flush(ctx context.Context, _ []string) error {
	_, err := t.run(ctx, "flush")
	if isUnknown(err) { // the snapshot flushes what is left
		return nil
	}
	return err
}

func (t *nodetool) open(context.Context) error { return nil }

func (t *nodetool) snapshot(ctx context.Context, tag string, keyspaces ...string) error {
	args := []string{"snapshot", "-t", tag}
	if len(keyspaces) > 0 {
		args = append(append(args, "--"), keyspaces...)
	}
	_, err := t.run(ctx, args...)
	return err
}

func (t *nodetool) clearSnapshot(ctx context.Context, tag string) error {
	_, err := t.run(ctx, "clearsnapshot", "-t", tag)
	return err
}

// importDir has Cassandra take the SSTables of a directory. No verification and
// no token check: both read all data, and the executor has compared checksums,
// host ID and tokens. Repair state stays, since all nodes go back together.
func (t *nodetool) importDir(ctx context.Context, job loadJob, dirs []string) error {
	args := append([]string{"import", "--no-verify", "--no-tokens", "--keep-repaired", "--", job.Keyspace, job.Name}, dirs...)
	_, err := t.runFor(ctx, job.wait, args...)
	return err
}

func (t *nodetool) loader() loader { return &importer{nodetool: t} }

func isUnknown(err error) bool { return errors.Is(err, errUnknown) }
