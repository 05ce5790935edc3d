package hosts

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/ring"
)

// Neither the command of an error nor the output of what failed has the arguments of a prefix that may be secrets.
func TestErrorsHaveNoSecretsOfThePrefix(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	dir := t.TempDir()
	prog := filepath.Join(dir, "wrap")
	require.NoError(t, os.WriteFile(prog, []byte("#!/bin/sh\necho \"cannot use: $*\" >&2; exit 3\n"), 0o700))
	for _, args := range [][]string{
		{"TOKEN=" + secret}, {"--token=" + secret}, {"--token", secret}, {"-p" + secret, "ssh", "db1"}, {"-p", secret, "ssh", "db1"},
		{"A=b", "sh", "-c", "export TOKEN=" + secret + "; exec \"$@\"", "--"}, {"-e", "PASS=" + secret + "=x"},
	} {
		target, node := machine(t, Host{Prefix: append([]string{prog}, args...)})
		err := target.Exec(t.Context(), node, ring.Command{Argv: []string{"/opt/casshook-agent", "serve"}})
		require.ErrorContains(t, err, "run "+prog+" … /opt/casshook-agent serve")
		require.ErrorContains(t, err, "cannot use: ")
		require.NotContains(t, err.Error(), secret, args)
	}
	target, node := machine(t, Host{Prefix: []string{prog, "-oBatchMode=yes", "db1"}})
	require.ErrorContains(t, target.Exec(t.Context(), node, shell("")), "db1", "what is no secret stays")
	target, node = machine(t, Host{Prefix: []string{"TOKEN=" + secret, "ssh"}})
	require.NotContains(t, target.Exec(t.Context(), node, shell("")).Error(), "run TOKEN")
}

func TestInventoryErrorsHaveNoPrefix(t *testing.T) {
	t.Parallel()
	host := func(name string) Host {
		return Host{Name: name, Address: name, Volume: "/v", DataDirectories: []string{"/d"}, Nodetool: []string{"nodetool"}, Prefix: []string{"env", "TOKEN=hunter2"}, Agent: "/agent"}
	}
	err := (&Inventory{APIVersion: APIVersion, Kind: Kind, Nodes: []Host{host("a"), host("b")}}).validate()
	require.ErrorContains(t, err, "nodes[1] b: has the same volume /v as nodes[0] a")
	require.NotContains(t, err.Error(), "hunter2")
}

// Ctrl-C goes to the process group of the terminal: what runs at the nodes, the prefix included, must not be in it, since it undoes.
func TestExecOutlivesCtrlC(t *testing.T) {
	t.Parallel()
	for name, prefix := range map[string][]string{"alone": nil, "behind a prefix": {"env", "A=b"}, "behind a shell": {"/bin/sh", "-c", `"$@"; exit $?`, "--"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target, node := machine(t, Host{Prefix: prefix})
			var out bytes.Buffer
			c := shell("cut -d' ' -f5,6 /proc/$$/stat")
			c.Stdout = &out
			require.NoError(t, target.Exec(t.Context(), node, c))
			ids := strings.Fields(out.String())
			require.Len(t, ids, 2)
			session, _, errno := syscall.Syscall(syscall.SYS_GETSID, 0, 0, 0)
			require.Zero(t, errno)
			require.NotEqual(t, strconv.Itoa(syscall.Getpgrp()), ids[0])
			require.NotEqual(t, strconv.Itoa(int(session)), ids[1])
			require.Equal(t, ids[0], ids[1])
		})
	}
}
