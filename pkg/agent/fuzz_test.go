package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
)

// FuzzServe sends arbitrary bytes to an agent that holds a volume: it never
// panics, and nothing outside the volume changes. A second hello is refused, so
// that no input leads the agent elsewhere.
func FuzzServe(f *testing.F) {
	for _, line := range []string{
		`{"op":"ping"}`, `{"op":"go"}`, "garbage", `{"id":1,"op":"inspect"}`, `{"id":1,"op":"hello","args":{"protocol":1,"node":{"volume":"/tmp","dataDirs":["/tmp"]}}}`,
		`{"id":1,"op":"begin","args":{"backupId":"casshook-20261121T101530Z-4f2a"}}`,
		`{"id":1,"op":"write","args":{"backupId":"../../outside","shared":{"../x":"eA=="}}}`,
		`{"id":1,"op":"complete","args":{"backupId":"casshook-20261121T101530Z-4f2a","content":"e30="}}`,
		`{"id":1,"op":"clear","args":{"backupIds":["casshook-20261121T101530Z-4f2a",".."]}}`,
		`{"id":1,"op":"stage","args":{"restoreId":"00112233445566aa","backupId":"casshook-20261121T101530Z-4f2a","tables":[{"keyspace":"..","name":".."}]}}`,
		`{"id":1,"op":"leftovers","args":{"tables":[{"keyspace":"..","name":"outside","liveId":"../.."}],"sweep":""}}`,
		`{"id":1,"op":"journal","args":{"restoreId":"00112233445566aa","backupId":"casshook-20261121T101530Z-4f2a","entry":{"step":"x"}}}`,
		`{"id":1,"op":"finish","args":{"restoreId":"../../outside","backupId":".."}}`,
		`{"id":1,"op":"auto-snapshots-before","args":{"restoreId":"00112233445566aa"}}` + "\n" + `{"id":2,"op":"auto-snapshots-after","args":{"restoreId":"00112233445566aa"}}`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		root := t.TempDir()
		volume := filepath.Join(root, "volume")
		require.NoError(t, os.MkdirAll(filepath.Join(volume, "data"), 0o755))
		require.NoError(t, os.MkdirAll(filepath.Join(root, "outside"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, "outside", "nb-2000000001-big-Index.db"), nil, 0o600))
		before := outside(t, root)
		var stdin bytes.Buffer
		for _, r := range []wire.Request{
			{ID: 1, Op: wire.OpHello, Args: arguments(t, wire.Hello{Protocol: wire.Protocol, Node: wire.Node{
				Name: "n", Volume: volume, DataDirs: []string{filepath.Join(volume, "data")}, API: "unix://" + root + "/none.sock"}})},
			{ID: 2, Op: wire.OpLock, Args: arguments(t, wire.LockArgs{Action: wire.LockAcquire, Holder: "h"})},
		} {
			require.NoError(t, json.NewEncoder(&stdin).Encode(r))
		}
		stdin.Write(input)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		in, more := io.Pipe()
		go func() { // the stream stays open for a moment, so that what was sent is answered
			_, _ = io.Copy(more, &stdin)
			time.Sleep(10 * time.Millisecond)
			more.Close()
		}()
		_ = Serve(ctx, in, io.Discard)
		in.Close()
		require.Equal(t, before, outside(t, root))
	})
}

func arguments(t *testing.T, args any) json.RawMessage {
	t.Helper()
	data, err := json.Marshal(args)
	require.NoError(t, err)
	return data
}

// outside lists what is not below the volume.
func outside(t *testing.T, root string) []string {
	t.Helper()
	var names []string
	for _, name := range tree(t, root) {
		if rel, err := filepath.Rel("volume", name); err != nil || len(rel) >= 2 && rel[:2] == ".." {
			names = append(names, name)
		}
	}
	return names
}
