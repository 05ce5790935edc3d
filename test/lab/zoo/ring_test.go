//go:build ring

package zoo

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRing builds a zoo on a running ring, digests it twice, damages it, and
// digests it again. The ring must be new and let superuser cassandra in:
//
//	CASSHOOK_ZOO_HOST     address of one node, port 9042
//	CASSHOOK_ZOO_NODES    number of nodes, 1 when unset
//	CASSHOOK_ZOO_FLAVOUR  default (when unset) or latest
//	CASSHOOK_ZOO_SCALE    small or normal (when unset)
//	CASSHOOK_ZOO_FLUSH    command that flushes "keyspace table" for each line
//	                      it reads and then writes a line that begins with ok
func TestRing(t *testing.T) {
	host := os.Getenv("CASSHOOK_ZOO_HOST")
	if host == "" {
		t.Skip("CASSHOOK_ZOO_HOST is not set")
	}
	session, err := Connect(host, 9042, "cassandra", "cassandra")
	require.NoError(t, err)
	defer session.Close()
	var release string
	require.NoError(t, query(session, "SELECT release_version FROM system.local").ScanContext(t.Context(), &release))
	version, err := ParseVersion(release)
	require.NoError(t, err)
	nodes, err := strconv.Atoi(cmp.Or(os.Getenv("CASSHOOK_ZOO_NODES"), "1"))
	require.NoError(t, err)
	o := Options{Session: session, Version: version, Flavour: os.Getenv("CASSHOOK_ZOO_FLAVOUR"), Nodes: nodes,
		Scale: Scale(os.Getenv("CASSHOOK_ZOO_SCALE")), Flush: flusher(t)}

	var inventory Inventory
	timed(t, "create", func() { inventory, err = Create(t.Context(), o) })
	require.NoError(t, err)
	t.Logf("%d statements, %d generated rows", inventory.Statements, inventory.Rows)
	for _, s := range inventory.Steps {
		t.Logf("%8s %s", s.Took.Round(10*time.Millisecond), s.Name)
	}
	for _, s := range inventory.Skipped {
		t.Logf("skipped %s (%s): %s", s.Feature, s.Why, strings.Join(s.Items, "; "))
	}

	var first, second, damaged Digests
	timed(t, "digest", func() { first, err = Digest(t.Context(), session) })
	require.NoError(t, err)
	requireReadable(t, first)
	time.Sleep(3 * time.Second)
	timed(t, "digest again", func() { second, err = Digest(t.Context(), session) })
	require.NoError(t, err)
	require.Empty(t, Compare(first, second), "digests differ between two calls")

	var done []string
	timed(t, "damage", func() { done, err = Damage(t.Context(), o) })
	require.NoError(t, err)
	t.Logf("damage:\n%s", strings.Join(done, "\n"))
	damaged, err = Digest(t.Context(), session)
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, Render(&out, first, damaged))
	t.Logf("\n%s", out.String())
	requireDamaged(t, first, damaged)
}

// requireReadable checks that nothing is in error and that no query that
// should show an index at work comes back empty.
func requireReadable(t *testing.T, digests Digests) {
	t.Helper()
	for _, e := range digests {
		require.Empty(t, e.Err, "%s %s", e.Kind, e.Name)
		if e.Name != "zoo.empty_table" {
			require.NotZero(t, e.Rows, "%s %s", e.Kind, e.Name)
		}
	}
}

// requireDamaged checks that all content changed but what Damage spares.
func requireDamaged(t *testing.T, before, after Digests) {
	t.Helper()
	changed := map[string]bool{}
	for _, d := range Compare(before, after) {
		changed[string(d.Want.Kind)+" "+d.Want.Name] = true
	}
	for _, e := range before {
		if e.Name == "zoo.leveled" || e.Name == "select.table" || e.Kind == KindSchema || e.Kind == KindGrants {
			continue
		}
		require.True(t, changed[string(e.Kind)+" "+e.Name], "%s %s did not change", e.Kind, e.Name)
	}
}

func timed(t *testing.T, what string, run func()) {
	t.Helper()
	start := time.Now()
	run()
	t.Logf("%s: %s", what, time.Since(start).Round(10*time.Millisecond))
}

// flusher keeps one process that flushes, since a JVM for each would take long.
func flusher(t *testing.T) func(context.Context, string, string) error {
	command := os.Getenv("CASSHOOK_ZOO_FLUSH")
	if command == "" {
		return nil
	}
	cmd := osexec.CommandContext(t.Context(), "sh", "-c", command)
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	answers := bufio.NewReader(stdout)
	return func(_ context.Context, keyspace, table string) error {
		if _, err := fmt.Fprintln(stdin, keyspace, table); err != nil {
			return err
		}
		answer, err := answers.ReadString('\n')
		if err != nil {
			return err
		}
		if !strings.HasPrefix(answer, "ok") {
			return fmt.Errorf("flush: %s", strings.TrimSpace(answer))
		}
		return nil
	}
}
