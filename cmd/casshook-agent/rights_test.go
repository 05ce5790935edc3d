package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
)

const beAgent = "CASSHOOK_TEST_BE_AGENT"

// TestMain lets the test's own program be an agent.
func TestMain(m *testing.M) {
	if os.Getenv(beAgent) != "" {
		main()
	}
	os.Exit(m.Run())
}

// An agent that is started as root works as Cassandra's user, and nodetool as before.
func TestAgentGivesUpRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Fatal("run as root: what it gives up is tested")
	}
	const user = 4242
	// Below /tmp itself, since the user must reach it.
	volume, err := os.MkdirTemp("/tmp", "casshook-rights")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(volume)) })
	data := filepath.Join(volume, "data")
	require.NoError(t, os.Mkdir(data, 0o750))
	require.NoError(t, os.Chown(data, user, user))
	require.NoError(t, os.Chmod(volume, 0o755))
	ids := filepath.Join(volume, "ids")
	nodetool := []string{"/bin/sh", "-c", "id -u >" + ids + "; echo; exit 1"}
	argv := []wire.Request{
		{ID: 1, Op: wire.OpHello, Args: encode(t, wire.Hello{Protocol: wire.Protocol, Node: wire.Node{Name: "n1", Volume: volume, DataDirs: []string{data}, Nodetool: nodetool, VolumeID: "v"}})},
		{ID: 2, Op: wire.OpLock, Args: encode(t, wire.LockArgs{Action: wire.LockAcquire, Holder: "me", Operation: "x"})},
		{ID: 3, Op: wire.OpFlush, Args: encode(t, wire.FlushArgs{})},
	}
	cmd := exec.Command(os.Args[0], "serve")
	cmd.Env = append(os.Environ(), beAgent+"=1")
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	enc, dec := json.NewEncoder(stdin), json.NewDecoder(stdout)
	for _, request := range argv {
		require.NoError(t, enc.Encode(request))
		var answer wire.Response
		require.NoError(t, dec.Decode(&answer))
		if request.Op == wire.OpFlush {
			require.NotNil(t, answer.Error, "the command fails")
			continue
		}
		require.Nil(t, answer.Error)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	require.NoError(t, err)
	require.Contains(t, strings.ReplaceAll(string(status), "\t", " "), fmt.Sprintf("Uid: 0 %d 0 %d", user, user), "files are reached as Cassandra's user")
	require.NoError(t, stdin.Close())
	require.NoError(t, cmd.Wait())
	got, err := os.ReadFile(ids)
	require.NoError(t, err)
	require.Equal(t, "0\n", string(got), "nodetool runs as before")
	for _, path := range []string{"casshook", "casshook/lock.json", "casshook/.agent-lock"} {
		info, err := os.Stat(filepath.Join(volume, path))
		require.NoError(t, err)
		require.EqualValues(t, user, info.Sys().(*syscall.Stat_t).Uid, path)
	}
}

// The agent removes the directory that it was put into, and no other.
func TestAgentLeavesItsPlace(t *testing.T) {
	t.Parallel()
	for name, stays := range map[string]bool{"its own": false, "another": true} {
		dir, other := t.TempDir(), t.TempDir()
		self := filepath.Join(dir, "casshook-agent")
		content, err := os.ReadFile(os.Args[0])
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(self, content, 0o700))
		cmd := exec.Command(self, "serve")
		cmd.Env = append(os.Environ(), beAgent+"=1", place+"="+map[bool]string{false: dir, true: other}[stays])
		require.NoError(t, cmd.Run(), name)
		_, err = os.Stat(dir)
		require.Equal(t, stays, err == nil, name)
		require.DirExists(t, other, name)
	}
}

func encode(t *testing.T, v any) json.RawMessage {
	t.Helper()
	content, err := json.Marshal(v)
	require.NoError(t, err)
	return content
}
