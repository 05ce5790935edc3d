package restore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// checkForeign refuses tables in whose live directories lie SSTables that Cassandra
// does not know: they would be read as a part of what is restored, at once or after
// the next start.
func (o *online) checkForeign(ctx context.Context) error {
	known, err := o.leftoverTables(ctx)
	if err != nil || len(known.Tables) == 0 {
		return err
	}
	var random [2]byte
	if _, err := rand.Read(random[:]); err != nil {
		return err
	}
	args := wire.ForeignArgs{Tag: document.NewID(time.Now(), random), Tables: known.Tables, Leftovers: o.earlier.Leftovers,
		Move: o.opts.MoveForeign, Wait: o.opts.LoadTimeout}
	results, err := ring.CallAll[wire.ForeignResult](ctx, o.Sessions, wire.OpForeign, args)
	var problems []error
	for i, r := range results {
		text := fmt.Sprintf("node %s: Cassandra does not know %d SSTables in live directories: %s", o.names()[i], len(r.SSTables), brief(r.SSTables))
		switch {
		case len(r.SSTables) == 0:
		case r.MovedTo == "":
			problems = append(problems, errors.New(text))
		default:
			text += "; moved to casshook/" + r.MovedTo
			o.observer.Progress(text)
			o.plan.Warnings = append(o.plan.Warnings, text)
		}
	}
	if len(problems) > 0 {
		problems = append(problems, errors.New("they would be mixed with what is restored: move them away, or pass --move-foreign"))
	}
	return errors.Join(err, flow.Fail(flow.Precondition, errors.Join(problems...)))
}

// brief joins the first few of a long list.
func brief(items []string) string {
	const most = 5
	if len(items) <= most {
		return strings.Join(items, ", ")
	}
	return strings.Join(items[:most], ", ") + fmt.Sprintf(" and %d more", len(items)-most)
}
