package agent

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
)

// corrupt is an error of what is on the volume. Documents that only a newer
// casshook can read are whole.
func corrupt(err error) error {
	var newer *document.NewerError
	if errors.As(err, &newer) {
		return &wire.Error{Kind: wire.KindRefused, Message: err.Error()}
	}
	return &wire.Error{Kind: wire.KindCorrupt, Message: err.Error()}
}

// open reads a backup's documents, checked against each other.
func (n *node) open(_ context.Context, _ call, args wire.OpenArgs) (wire.OpenResult, error) {
	b, err := document.Open(n.Volume, args.BackupID, n.DataDirs)
	if err != nil {
		return wire.OpenResult{}, corrupt(err)
	}
	complete, err := document.ReadFile(n.Files(), filepath.Join(document.BackupDir(n.Volume, args.BackupID), document.CompleteFile))
	if err != nil {
		return wire.OpenResult{}, err
	}
	cluster, err := document.ReadFile(n.Files(), filepath.Join(document.BackupDir(n.Volume, args.BackupID), document.ClusterFile))
	if err != nil {
		return wire.OpenResult{}, err
	}
	r := wire.OpenResult{
		Volume: b.Node.Volume, Member: b.Node.Member, Complete: b.Complete, CompleteDigest: document.SHA256(complete),
		Cluster: cluster, Schema: b.Schema, Grants: b.Grants,
	}
	for _, t := range b.Node.Tables {
		r.Tables = append(r.Tables, summarize(t))
	}
	r.Formats = b.Node.Formats()
	return r, nil
}

func summarize(t document.Table) wire.TableSummary {
	s := wire.TableSummary{TableName: t.TableName, ID: t.ID}
	for _, sst := range t.SSTables {
		if sst.Index == "" {
			s.SSTables++
		}
		s.Bytes += sst.Bytes()
		s.Files += len(sst.Components)
	}
	return s
}

// verify compares the files of the snapshot with node.json.
func (n *node) verify(_ context.Context, c call, args wire.VerifyArgs) (wire.VerifyResult, error) {
	b, err := document.Open(n.Volume, args.BackupID, n.DataDirs)
	if err != nil {
		return wire.VerifyResult{}, corrupt(err)
	}
	opts := document.VerifyOptions{Full: args.Full}
	r := wire.VerifyResult{Tables: len(b.Node.Tables)}
	if args.Tables != nil {
		scope := tableSet(args.Tables)
		r.Tables = len(scope)
		opts.InScope = func(ks, table string) bool { return scope[document.TableName{Keyspace: ks, Name: table}] }
	}
	if args.Full {
		opts.Progress = func(done, total int) { c.progress("verified", done, total) }
	}
	opts.NotCovered = func(table document.TableName, file string) {
		r.NotCovered = append(r.NotCovered, table.String()+": "+file)
	}
	r.Problems = append(absent(b.Node.Tables, args.Tables), document.VerifyFiles(&b.Node, n.DataDirs, opts)...)
	return r, nil
}

// absent names the tables to verify that the backup of this node does not have.
func absent(have []document.Table, wanted []document.TableName) []string {
	found := map[document.TableName]bool{}
	for _, t := range have {
		found[t.TableName] = true
	}
	var problems []string
	for _, t := range wanted {
		if !found[t] {
			problems = append(problems, t.Keyspace+"."+t.Name+": not in the backup of this node")
		}
	}
	return problems
}

func tableSet(tables []document.TableName) map[document.TableName]bool {
	set := map[document.TableName]bool{}
	for _, t := range tables {
		set[t] = true
	}
	return set
}
