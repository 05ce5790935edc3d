package lint

import (
	"go/ast"
	"strings"
)

// place names what a function exceeds, as "pkg/kube name: what". Directories below count
// as theirs.
func place(f *file, fn *ast.FuncDecl, what string) string {
	parts := strings.SplitN(f.dir, "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/") + " " + nameOf(fn) + ": " + what
}

// exceptions are functions that may exceed a budget, by place, with the reason.
func exceptions() map[string]string {
	const (
		table  = "one case after the other, flat: each is read by itself, and a table of functions would say less"
		pairs  = "every one of many belongs to every one of others: the levels are the data's"
		guards = "most of it is errors that are passed on, one after the other"
	)
	return map[string]string{
		"pkg/document SnapshotDir: parameters":            "the five parts of a path, in the order that they have there",
		"pkg/generate generator.yaml: parameters":         "what a file is, beside its objects: it is called with constants",
		"pkg/generate generator.create: parameters":       "as generator.yaml",
		"pkg/kube nodeOf: parameters":                     "what a node is made of, called once",
		"pkg/document unknown: levels":                    "a value and its type, taken apart side by side",
		"pkg/doctor exam.backups: levels":                 pairs,
		"pkg/kube reader.ring: levels":                    pairs,
		"pkg/kube reader.access: levels":                  pairs,
		"pkg/kube reader.machines: levels":                pairs,
		"pkg/restore comparison.loads: levels":            pairs,
		"pkg/ring Session.CallEvents: levels":             "messages of a stream inside a select: the levels are the protocol's",
		"pkg/agent checkNames: ways":                      table,
		"pkg/cli generateFlags.apply: ways":               table,
		"pkg/doctor exam.selects: ways":                   table,
		"pkg/doctor exam.hooks: ways":                     table,
		"pkg/doctor exam.snapshotClass: ways":             table,
		"pkg/hosts Host.problems: ways":                   table,
		"pkg/kube World.PutStoppedDatacenter: parameters": "a sentence of the tests, read aloud where it is called",
		"pkg/kube Object: parameters":                     "the four that name an object, and what it has",
		"pkg/kube Server.serve: ways":                     table,
		"pkg/kube Run.follow: ways":                       "one look at a pod after the other until it ends, and the ways in which it may",
		"pkg/kube look: ways":                             table,
		"pkg/restore choose: ways":                        table,
		"pkg/schema simpleType: ways":                     table,
		"test/lab Tree.settled: levels":                   pairs,
		"test/lab run.addClaims: levels":                  pairs,
		"test/lab round.deleteClaims: levels":             pairs,
		"test/lab round.nodeStatuses: levels":             pairs,
		"test/lab joinNodeAffinity: levels":               pairs,
		"test/lab Catalog.addDocument: ways":              table,
		"test/lab run.addClaims: ways":                    guards,
		"test/lab Policy.validate: ways":                  table,
		"test/lab round.deletion: ways":                   table,
	}
}
