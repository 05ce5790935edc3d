package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/cleaner"
	"github.com/casshook/casshook/pkg/escape"
	"github.com/casshook/casshook/pkg/flow"
)

const cleanUsage = `casshook-agent clean restores one stopped node from the snapshot of a backup on its
volume: all keyspaces, including system keyspaces. It verifies the backup first,
copies no data, and can be interrupted and run again.
Clean all nodes of a ring before you start any of them.

Usage:
  casshook-agent clean --volume DIR [flags]

Flags:
`

const cleanCodes = `
Exit codes:
  0    done, or nothing to do
  1    failed; nothing was changed
  2    wrong usage
  3    a precondition is not met; nothing was changed
  4    the backup is incomplete or corrupt; nothing was changed
  5    stopped half-way: do not start Cassandra; run the same command again
  7    another agent has locked the volume
  130  interrupted; nothing was changed
`

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

// clean runs the subcommand: progress and the reason of a failure go to stderr,
// the result to stdout.
func clean(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, output, err := parseClean(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return int(flow.Done)
	case err != nil:
		fmt.Fprintln(stderr, "casshook-agent:", err)
		return int(flow.Usage)
	}
	opts.Progress = func(message string) { fmt.Fprintln(stderr, escape.Text(message)) }
	opts.Become = func(uid, gid int) error { return storage.Become(uid, gid, false) }
	result, err := cleaner.Clean(ctx, opts)
	var other *cleaner.OtherUserError
	if errors.As(err, &other) && output == "json" { // whoever started the cleaner may start it as the owner
		result = &wire.CleanResult{State: wire.StateOtherUser, Owner: &other.Owner}
		err = errors.Join(err, printClean(stdout, output, result))
	}
	if err == nil {
		err = printClean(stdout, output, result)
	}
	if err != nil {
		fmt.Fprintln(stderr, "casshook-agent:", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return int(flow.CodeOf(err))
}

func printClean(w io.Writer, output string, result *wire.CleanResult) error {
	if output == "json" {
		content, err := json.Marshal(result)
		if err != nil {
			return err
		}
		_, err = w.Write(append(escape.JSON(content), '\n'))
		return err
	}
	_, err := io.WriteString(w, cleaner.Text(result))
	return err
}

func parseClean(args []string, stderr io.Writer) (opts cleaner.Options, output string, err error) {
	f := flag.NewFlagSet("clean", flag.ContinueOnError)
	f.SetOutput(io.Discard) // errors are printed once, by the caller
	var peers string
	f.StringVar(&opts.Volume, "volume", "", "root of the volume with the backup's documents")
	f.Var((*list)(&opts.Data), "data", "data directory; repeat for each, in Cassandra's order (default <volume>/data)")
	f.StringVar(&opts.CommitLog, "commitlog", "", "commit log directory to empty (default <volume>/commitlog, which must exist)")
	f.StringVar(&opts.Hints, "hints", "", "hints directory to empty (default <volume>/hints)")
	f.StringVar(&opts.SavedCaches, "saved-caches", "", "saved caches directory to empty (default <volume>/saved_caches)")
	f.StringVar(&opts.CDC, "cdc", "", "change data capture directory to empty (default <volume>/cdc_raw)")
	f.StringVar(&opts.Backup, "backup", "", "id of the backup (default: the newest complete one)")
	f.StringVar(&peers, "peers", "keep", "keep or forget the node's peers; use forget for a clone")
	f.StringVar(&opts.VolumeID, "volume-id", "", "the volume's identity, if the storage has one (default: from its id file)")
	f.StringVar(&opts.HostID, "node-host-id", "", "expected host id; the volume of another node is refused")
	f.StringVar(&opts.ConfigFile, "config", "", "cassandra.yaml of this node: refuse a backup that does not fit it (num_tokens, cluster_name, storage_compatibility_mode, auto_repair)")
	f.StringVar(&opts.Release, "cassandra-version", "", "Cassandra version that this node will run, such as 5.0.9: refuse a backup of a newer one")
	f.BoolVar(&opts.AutoRepair, "auto-repair", false, "confirm that this node starts with automatic repair, if neither --config nor the JVM options beside it say so")
	f.BoolVar(&opts.InPlace, "in-place", false, "roll back the original volume; all writes since the backup are lost")
	f.BoolVar(&opts.Restored, "restored", false, "confirm that the volume was restored from a restore point; needed only if nothing tells, and never overrides what is known")
	f.BoolVar(&opts.Again, "again", false, "clean again although the backup was already restored on this volume; all writes since then are lost")
	f.BoolVar(&opts.AssumeStopped, "assume-stopped", false, "continue if file system does not support leases, which are used to detect a running Cassandra")
	f.BoolVar(&opts.DryRun, "dry-run", false, "check and verify everything; change nothing")
	f.BoolVar(&opts.Full, "full", false, "read and verify every byte of the snapshot")
	f.StringVar(&output, "o", "text", "output format: text or json")
	err = f.Parse(args)
	opts.ForgetPeers = peers == "forget"
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stderr, cleanUsage)
		printFlags(stderr, f)
		fmt.Fprint(stderr, cleanCodes)
	case err != nil:
		// The flag package names flags with one dash.
		err = errors.New(oneDash.ReplaceAllString(err.Error(), "$1--$2"))
	case f.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
	case output != "text" && output != "json":
		err = fmt.Errorf("unknown output format %q: use text or json", output)
	case opts.InPlace && opts.Restored:
		err = errors.New("--in-place is for the original volume and --restored for a restored copy: use one of them")
	case peers != "keep" && peers != "forget":
		err = fmt.Errorf("peers %q: use keep or forget", peers)
	}
	return opts, output, err
}

// oneDash is a flag as the flag package names it.
var oneDash = regexp.MustCompile(`(^|[ :])-([a-z][a-z-]+)`)

// printFlags is f.PrintDefaults with two dashes, as casshook has them.
func printFlags(w io.Writer, f *flag.FlagSet) {
	f.VisitAll(func(fl *flag.Flag) {
		kind, text := flag.UnquoteUsage(fl)
		name := "--" + fl.Name
		if len(fl.Name) == 1 {
			name = "-" + fl.Name
		}
		if kind != "" {
			name += " " + kind
		}
		if fl.DefValue != "" && fl.DefValue != "false" {
			text += " (default " + fl.DefValue + ")"
		}
		fmt.Fprintf(w, "  %s\n    \t%s\n", name, text)
	})
}
