package cli

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/casshook/casshook/pkg/restore"
)

func restoreFlags(f *pflag.FlagSet, opts *restore.Options) {
	f.StringVar(&opts.Backup, "backup", "", "id of the backup (default: the newest that is complete on every volume)")
	f.BoolVar(&opts.InPlace, "in-place", false, "roll back the original volumes, not restored ones; all writes since the backup are lost")
	f.BoolVar(&opts.Restored, "restored", false, aboutRestored)
	f.StringSliceVar(&opts.Include, "include", nil, "restore only tables that match these globs of keyspace.table")
	f.StringSliceVar(&opts.Exclude, "exclude", nil, "do not restore tables that match these globs of keyspace.table")
	f.BoolVar(&opts.RebuildViews, "rebuild-views", false, "rebuild all views instead of loading their snapshots")
	f.BoolVar(&opts.KeepBackup, "keep-backup", false, "keep the backup on the volumes after the restore; a partial restore always keeps it")
	f.BoolVar(&opts.Full, "full", false, "read and verify every byte of data before changing anything")
	f.BoolVar(&opts.AcceptDifferences, "accept-differences", false, "finish even if schema or permissions differ from the backup; differences are reported, missing data always fails")
	f.BoolVar(&opts.MoveForeign, "move-foreign", false, "move SSTables that Cassandra does not know out of the live directories, to casshook/foreign-<id> on the volume")
	number{f, "min-free", "minimum free fraction of every volume"}.fraction(&opts.MinFree, 0.02)
	number{f, "workers", "number of tables that each node loads at the same time"}.count(&opts.Workers, 4, 64)
	number{f, "load-timeout", "how long to wait for the load of a table whose call timed out"}.timeout(&opts.LoadTimeout, 30*time.Minute)
	number{f, "agreement-timeout", "how long to wait for the nodes to agree on the schema"}.timeout(&opts.AgreementTimeout, 2*time.Minute)
	number{f, "view-timeout", "how long to wait for views to be built"}.timeout(&opts.ViewTimeout, 30*time.Minute)
}

// aboutRestored is the help of --restored.
const aboutRestored = "confirm that the volumes were restored from a restore point; needed only if casshook cannot tell, and never overrides what it knows"

// offlineFlags are for what puts a backup in place while Cassandra is stopped.
func (a *app) offlineFlags(f *pflag.FlagSet, opts *restore.Options) {
	f.StringVar(&a.place.image, "image", "", "casshook image for the cleaner Jobs of an offline restore")
	f.StringSliceVar(&a.place.pullSecrets, "image-pull-secret", nil, "additional pull secret for that image, in the datacenter's namespace")
	number{f, "run-as", "user and group of the cleaner Jobs (default: those of Cassandra's pods; without a datacenter, the owner of the volume's files)"}.user(&a.place.runAs)
	a.stopFlag(f)
	f.BoolVar(&opts.Again, "again", false, "repeat a restore that is already done; all writes since then are lost")
	f.Var(&peers{&opts.Peers}, "peers", "whether stopped nodes keep or forget their peers: keep, forget or auto (forget if the namespace is not the backup's)")
	opts.Peers = restore.PeersAuto
}

// stopFlag is for what waits for a ring to stop.
func (a *app) stopFlag(f *pflag.FlagSet) {
	number{f, "stop-timeout", "how long to wait for a ring to stop"}.timeout(&a.place.stop, 10*time.Minute)
}

// startFlag is for what starts a ring.
func (a *app) startFlag(f *pflag.FlagSet) {
	number{f, "start-timeout", "how long to wait for a stopped ring to start (default: depends on the number of nodes)"}.period(&a.place.start, 0)
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
	return fmt.Errorf("%q is not auto, keep or forget", word)
}
