package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
)

// flockFile keeps two agents from changing one volume at once.
const flockFile = ".agent-lock"

// node is the node that the agent serves.
type node struct {
	wire.Node
	cassandra cassandra
	flock     *os.File
}

func newNode(h wire.Hello) (*node, error) {
	n := &node{Node: h.Node}
	for _, dir := range append([]string{n.Volume}, n.DataDirs...) {
		if !filepath.IsAbs(dir) {
			return nil, fmt.Errorf("node %s: %q is not an absolute path", n.Name, dir)
		}
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("node %s: directory %s: %w", n.Name, dir, orNotDir(err))
		}
	}
	if len(n.DataDirs) == 0 {
		return nil, fmt.Errorf("node %s: no data directories", n.Name)
	}
	var err error
	n.cassandra, err = newCassandra(h.Node)
	return n, err
}

func orNotDir(err error) error {
	if err == nil {
		return errors.New("not a directory")
	}
	return err
}

// holdVolume takes the flock that an agent has while it may change a volume. A
// dead agent has none, so a lock file without one has lost its holder.
func (n *node) holdVolume() error {
	if n.flock != nil {
		return nil
	}
	if err := os.MkdirAll(n.root(), 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(n.root(), flockFile), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return &wire.Error{Kind: wire.KindLocked, Message: "another agent works on " + n.Volume}
	}
	n.flock = f
	return nil
}

func (n *node) close() {
	if n.flock != nil {
		n.flock.Close()
		n.flock = nil
	}
}

// root is casshook's directory on the volume.
func (n *node) root() string { return filepath.Join(n.Volume, document.Root) }

// exclusive refuses an operation that changes the volume without the lock.
func (n *node) exclusive(h handler) handler {
	return func(req wire.Request) (any, error) {
		if n.flock == nil {
			return nil, fmt.Errorf("operation %q without the lock", req.Op)
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
		wire.OpLeftovers:  n.exclusive(bind(ctx, c, n.leftovers)),
		wire.OpAutoBefore: n.exclusive(bind(ctx, c, n.autoBefore)),
		wire.OpAutoAfter:  n.exclusive(bind(ctx, c, n.autoAfter)),
		wire.OpLoad:       n.exclusive(bind(ctx, c, n.load)),
		wire.OpJournal:    n.exclusive(bind(ctx, c, n.journal)),
		wire.OpMarkLoaded: n.exclusive(bind(ctx, c, n.markLoaded)),
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

func (n *node) flush(ctx context.Context, _ call, args wire.FlushArgs) (none, error) {
	return none{}, n.cassandra.flush(ctx, args.Keyspaces)
}

// identity is the volume's identity: what the target says, or the id file's.
func (n *node) identity() (string, error) {
	if n.VolumeID != "" {
		return n.VolumeID, nil
	}
	return document.VolumeIdentity(n.Volume)
}

func (n *node) inspect(ctx context.Context, _ call, _ none) (wire.Volume, error) {
	var v wire.Volume
	var st syscall.Statfs_t
	if err := syscall.Statfs(n.Volume, &st); err != nil {
		return v, fmt.Errorf("free space of %s: %w", n.Volume, err)
	}
	v.Free, v.Total = st.Bavail*uint64(st.Bsize), st.Blocks*uint64(st.Bsize)
	var err error
	if v.Identity, err = n.identity(); err != nil {
		return v, err
	}
	if v.Lock, err = n.readLock(); err != nil {
		return v, err
	}
	ids, err := document.List(n.Volume)
	if err != nil {
		return v, err
	}
	for _, id := range ids {
		v.Backups = append(v.Backups, n.summary(id))
	}
	v.Restores, err = n.restores()
	return v, err
}

func (n *node) summary(id string) wire.BackupSummary {
	b := wire.BackupSummary{ID: id}
	var intent document.Intent
	if err := document.Read(filepath.Join(document.BackupDir(n.Volume, id), document.IntentFile), &intent); err != nil {
		b.Problem = err.Error()
	}
	b.Volume, b.Started = intent.Volume, intent.Started
	doc, err := document.Open(n.Volume, id)
	switch {
	case errors.Is(err, document.ErrIncomplete):
	case err != nil:
		b.Complete = true // it claims to be: what is wrong with it must be told
		b.Problem = strings.TrimSpace(err.Error())
	default:
		b.Complete, b.Volume = true, doc.Node.Volume
	}
	return b
}
