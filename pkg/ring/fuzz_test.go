package ring

import (
	"context"
	"testing"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
)

// FuzzReplies has an agent answer with arbitrary bytes: the executor neither panics nor
// waits, and takes nothing for the answer to another request.
func FuzzReplies(f *testing.F) {
	for _, line := range []string{
		`{"id":2,"result":{"identity":"v"}}`, `{"id":2,"error":{"kind":"locked","message":"x"}}`, `{"id":2,"event":{"kind":"progress","done":-1,"total":1}}`,
		`{"id":0,"event":{"kind":"beat"}}`, `{"id":3,"result":{}}`, `{"id":2}`, `{"id":2,"result":"x","error":{},"event":{}}`, "Welcome!", `{"id":2,"res`, "null", "[]", "\n\n\x00",
	} {
		f.Add([]byte(line + "\n"))
	}
	f.Fuzz(func(t *testing.T, replies []byte) {
		fake := newFakeExec()
		fake.nodes["n1"] = script(func(_ context.Context, s *scripted) error {
			if _, err := s.request(); err != nil {
				return err
			}
			_, err := s.raw.Write(replies)
			return err
		})
		s, err := OpenSession(t.Context(), fake, Node{Node: wire.Node{Name: "n1", Volume: "/v", DataDirs: []string{"/v"}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var result any
		_ = s.CallEvents(ctx, wire.OpInspect, struct{}{}, &result, func(wire.Event) {})
		if ctx.Err() != nil {
			t.Fatal("waits for an agent that has ended")
		}
		if s.Call(ctx, wire.OpInspect, struct{}{}, nil) == nil {
			t.Fatal("an agent that has ended answers")
		}
		s.Close()
	})
}
