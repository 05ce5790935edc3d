package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/ledger"
)

// node is the node that the agent serves.
type node struct {
	storage.Volumes
	cassandra cassandra
	// flushing is nil until a flush was asked for.
	flushing *flushing
}

func newNode(h wire.Hello) (*node, error) {
	n := &node{Volumes: storage.Volumes{Node: h.Node}}
	for _, dir := range append([]string{n.Volume}, n.DataDirs...) {
		if !filepath.IsAbs(dir) {
			return nil, fmt.Errorf("node %s: %q is not an absolute path", n.Name, dir)
		}
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("node %s: directory %s: %w", n.Name, dir, storage.OrNotDir(err))
		}
	}
	if len(n.DataDirs) == 0 {
		return nil, fmt.Errorf("node %s: no data directories", n.Name)
	}
	var err error
	n.cassandra, err = newCassandra(h.Node)
	return n, err
}

// exclusive refuses an operation that changes the volume without the lock.
func (n *node) exclusive(h handler) handler {
	return func(req wire.Request) (any, error) {
		if !n.Held() {
			return nil, fmt.Errorf("operation %q needs the lock", req.Op)
		}
		return h(req)
	}
}

type handler func(wire.Request) (any, error)

func bind[A, R any](ctx context.Context, c call, f func(context.Context, call, A) (R, error)) handler {
	return func(req wire.Request) (any, error) {
		return with(req, func(a A) (R, error) { return f(ctx, c, a) })
	}
}

func (n *node) operations(ctx context.Context, c call) map[string]handler {
	return map[string]handler{
		wire.OpFacts:      bind(ctx, c, n.facts),
		wire.OpInspect:    bind(ctx, c, n.inspect),
		wire.OpStorage:    bind(ctx, c, n.storage),
		wire.OpSchema:     bind(ctx, c, n.schemaVersions),
		wire.OpLock:       bind(ctx, c, n.lock),
		wire.OpBegin:      n.exclusive(bind(ctx, c, n.begin)),
		wire.OpFlush:      bind(ctx, c, n.flush),
		wire.OpSnapshot:   n.exclusive(bind(ctx, c, n.snapshot)),
		wire.OpWrite:      n.exclusive(bind(ctx, c, n.write)),
		wire.OpComplete:   n.exclusive(bind(ctx, c, n.complete)),
		wire.OpClear:      n.exclusive(bind(ctx, c, n.clear)),
		wire.OpOpen:       bind(ctx, c, n.open),
		wire.OpVerify:     bind(ctx, c, n.verify),
		wire.OpStage:      n.exclusive(bind(ctx, c, n.stage)),
		wire.OpForeign:    n.exclusive(bind(ctx, c, n.foreign)),
		wire.OpLeftovers:  n.exclusive(bind(ctx, c, n.leftovers)),
		wire.OpAutoBefore: n.exclusive(bind(ctx, c, n.autoBefore)),
		wire.OpAutoAfter:  n.exclusive(bind(ctx, c, n.autoAfter)),
		wire.OpLoad:       n.exclusive(bind(ctx, c, n.load)),
		wire.OpJournal:    n.exclusive(bind(ctx, c, n.journal)),
		wire.OpMarkLoaded: n.exclusive(bind(ctx, c, n.markLoaded)),
		wire.OpArchive:    n.exclusive(bind(ctx, c, n.archive)),
		wire.OpFinish:     n.exclusive(bind(ctx, c, n.finish)),
	}
}

// none is the argument or result of operations that have none.
type none struct{}

func (n *node) facts(ctx context.Context, _ call, _ none) (wire.Facts, error) {
	return n.cassandra.facts(ctx)
}

func (n *node) schemaVersions(ctx context.Context, _ call, _ none) (wire.SchemaVersions, error) {
	return n.cassandra.schemaVersions(ctx)
}

func (n *node) inspect(ctx context.Context, _ call, _ none) (ledger.Volume, error) {
	var v ledger.Volume
	var st syscall.Statfs_t
	if err := syscall.Statfs(n.Volume, &st); err != nil {
		return v, fmt.Errorf("free space of %s: %w", n.Volume, err)
	}
	v.Free, v.Total = st.Bavail*uint64(st.Bsize), st.Blocks*uint64(st.Bsize)
	free, total := v.Free, v.Total
	var err error
	if v, err = n.Inspect(); err != nil {
		return v, err
	}
	v.Free, v.Total = free, total
	if v.Lock, err = n.readLock(); v.Lock != nil {
		v.Lock.Dead = !v.Lock.Parked && n.Abandoned()
	}
	return v, err
}
