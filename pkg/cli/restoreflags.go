package cli

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/casshook/casshook/pkg/restore"
)

func restoreFlags(f *pflag.FlagSet, opts *restore.Options) {
	f.StringVar(&opts.Backup, "backup", "", "id of the backup; the newest that is complete on every volume when left out")
	f.BoolVar(&opts.InPlace, "in-place", false, "allow the volumes that the backup was made on: what was written since is lost")
	f.StringSliceVar(&opts.Include, "include", nil, "globs of keyspace.table to restore; nothing else is touched")
	f.StringSliceVar(&opts.Exclude, "exclude", nil, "globs of keyspace.table to leave alone")
	f.BoolVar(&opts.RebuildViews, "rebuild-views", false, "build all views anew instead of loading their snapshots")
	f.BoolVar(&opts.KeepBackup, "keep-backup", false, "leave snapshot and documents on the volumes afterwards, as a restore of a part always does")
	f.BoolVar(&opts.Full, "full", false, "read and verify every byte of data before anything is touched")
	f.BoolVar(&opts.AcceptDifferences, "accept-differences", false, "end the restore although schema or permissions differ from the backup, which is reported; missing data is never accepted")
	f.Float64Var(&opts.MinFree, "min-free", 0.02, "fraction of every volume that must be free")
	f.IntVar(&opts.Workers, "workers", 4, "tables that a node loads at once")
	f.DurationVar(&opts.LoadTimeout, "load-timeout", 30*time.Minute, "how long the load of a table is waited for that gives no answer")
	f.DurationVar(&opts.AgreementTimeout, "agreement-timeout", 2*time.Minute, "how long the nodes have to agree on the schema")
	f.DurationVar(&opts.ViewTimeout, "view-timeout", 30*time.Minute, "how long views have to be built")
}

// offlineFlags are for what puts a backup in place while Cassandra is stopped.
func (a *app) offlineFlags(f *pflag.FlagSet, opts *restore.Options) {
	f.StringVar(&a.place.image, "image", "", "image of casshook that the cleaner's Jobs run, where Cassandra is stopped")
	f.StringSliceVar(&a.place.pullSecrets, "image-pull-secret", nil, "secret in the datacenter's namespace that the Jobs pull the image with; beside those of its pods")
	f.Int64Var(&a.place.runAs, "run-as", 0, "user and group that the cleaner's Jobs run as; Cassandra's own when left out: what its pods say, else 999")
	a.stopFlag(f)
	f.BoolVar(&opts.Again, "again", false, "where the cleaner put the backup in place before, do it once more: what was written since is lost")
	f.Var(&peers{&opts.Peers}, "peers", "what stopped nodes remember of the others: keep, forget, or auto, which forgets in another namespace than the backup's")
	opts.Peers = restore.PeersAuto
}

// stopFlag is for what waits for a ring to stop.
func (a *app) stopFlag(f *pflag.FlagSet) {
	f.DurationVar(&a.place.stop, "stop-timeout", 10*time.Minute, "how long to wait until the last pod of a ring that stops, or is deleted, is gone")
}

// startFlag is for what starts a ring.
func (a *app) startFlag(f *pflag.FlagSet) {
	f.DurationVar(&a.place.start, "start-timeout", 0, "how long to wait until all nodes of a ring that was stopped are up; by their number when left out")
}

// peers is a flag of three words.
type peers struct{ value *restore.Peers }

func (p *peers) String() string {
	if p.value == nil || *p.value == "" {
		return string(restore.PeersAuto)
	}
	return string(*p.value)
}

func (p *peers) Type() string { return "string" }

func (p *peers) Set(word string) error {
	switch w := restore.Peers(word); w {
	case restore.PeersAuto, restore.PeersKeep, restore.PeersForget:
		*p.value = w
		return nil
	}
	return fmt.Errorf("%q: auto, keep or forget", word)
}
