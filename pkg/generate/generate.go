// Package generate makes the files that Kasten and a person need around
// casshook: Blueprints, bindings, policies, restores, roles and scripts. Generate
// is pure: the same options give the same bytes. All logic is in the binary; the
// files only call it.
package generate

import (
	"fmt"
	"slices"

	"github.com/casshook/casshook/pkg/blueprint"
)

// What is in a file: what a person asks the generator for.
const (
	KindAll          = "all"
	KindBlueprint    = "blueprint"
	KindBinding      = "binding"
	KindOverride     = "override"
	KindPolicy       = "policy"
	KindRun          = "run"
	KindRestore      = "restore"
	KindTransformSet = "transformset"
	KindRBAC         = "rbac"
	KindScripts      = "scripts"
	KindCleaner      = "cleaner"
	KindClone        = "clone"
	// kindTree is what only a tree of files needs.
	kindTree = "tree"
)

// Kinds are all that can be asked for.
func Kinds() []string {
	return []string{KindAll, KindBlueprint, KindBinding, KindOverride, KindPolicy, KindRun, KindRestore, KindTransformSet, KindRBAC, KindScripts, KindCleaner, KindClone}
}

// File is one file of the tree.
type File struct {
	// Path is relative to the root of the tree, with slashes.
	Path string
	// Kind is what is in it.
	Kind string
	// Strategy that the file belongs to; EveryStrategy where it serves all.
	Strategy Strategy
	Content  []byte
	// Executable is for scripts.
	Executable bool
	created    bool
}

// Created tells whether its objects have generated names, so that kubectl must
// create them: it cannot apply them.
func (f *File) Created() bool { return f.created }

// Generate makes all files of the options' strategy, in the order of their paths.
// Its error names every field that is wrong.
func Generate(o Options) ([]File, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	g := &generator{Options: o}
	g.access()
	if g.makes(PolicyHooks) {
		g.policyHooks()
		g.overrides()
	}
	if g.makes(ResourceBound) {
		g.resourceBound()
	}
	g.transforms()
	g.clone()
	g.cleaner()
	g.byHand()
	slices.SortFunc(g.files, func(a, b File) int { return comparePaths(a.Path, b.Path) })
	return g.files, nil
}

// Select is the files of a kind that a tree gets.
func Select(files []File, kind string) []File {
	var out []File
	for _, f := range files {
		if kind == KindAll || f.Kind == kind {
			out = append(out, f)
		}
	}
	return out
}

// Stream is the files of a kind as one stream of YAML documents that kubectl takes:
// those of all kinds that can be applied together, or one kind alone. Both strategies
// at once, or restores of several namespaces, are an error.
func Stream(files []File, kind string) ([]File, error) {
	if kind == KindScripts {
		return nil, fmt.Errorf("%s has several files: use --out DIR", kind)
	}
	var out []File
	strategies := map[Strategy]bool{}
	for _, f := range Select(files, kind) {
		if kind == KindAll && (f.Created() || slices.Contains([]string{kindTree, KindScripts, KindOverride, KindCleaner, KindClone}, f.Kind)) {
			continue
		}
		if f.Strategy != EveryStrategy {
			strategies[f.Strategy] = true
		}
		out = append(out, f)
	}
	switch {
	case len(strategies) > 1:
		return nil, fmt.Errorf("%s depends on the strategy: use --strategy %s or --strategy %s, or --out DIR to write both", kind, PolicyHooks, ResourceBound)
	case restoring(out) > 1:
		return nil, fmt.Errorf("this would restore %d namespaces: use --namespace to select one, or --out DIR to write a file for each", restoring(out))
	}
	// What others refer to comes first.
	order := []string{KindRBAC, KindBlueprint, KindTransformSet, KindBinding, KindPolicy}
	slices.SortStableFunc(out, func(a, b File) int { return slices.Index(order, a.Kind) - slices.Index(order, b.Kind) })
	return out, nil
}

// restoring counts RestoreActions.
func restoring(files []File) int {
	n := 0
	for _, f := range files {
		if f.Created() && f.Kind != KindRun {
			n++
		}
	}
	return n
}

// generator collects files.
type generator struct {
	Options
	files []File
}

func (g *generator) makes(s Strategy) bool { return g.Strategy == EveryStrategy || g.Strategy == s }

// Where files are in the tree.
const (
	accessDir     = "blueprints/rbac"
	overrideDir   = "blueprints/overrides"
	transformsDir = "blueprints/transforms"
	byHandDir     = "examples/by-hand"
	cleanerDir    = "examples/cleaner"
	cloneDir      = "examples/clone"
	hooksDir      = "hooks"
)

func blueprintDir(s Strategy) string { return "blueprints/" + string(s) }
func exampleDir(s Strategy) string   { return "examples/" + string(s) }

// object is one document of a file.
type object struct {
	value any
	notes comments
}

// yaml adds a file with objects, under what a reader should know first.
func (g *generator) yaml(path, kind string, strategy Strategy, about string, objects ...object) {
	text := g.header("#", about)
	for i, o := range objects {
		if i > 0 {
			text += "---\n"
		}
		text += toYAML(o.value, o.notes)
	}
	g.files = append(g.files, File{Path: path, Kind: kind, Strategy: strategy, Content: []byte(text)})
}

// create adds a file like yaml, for objects that kubectl cannot apply.
func (g *generator) create(path, kind string, strategy Strategy, about string, objects ...object) {
	g.yaml(path, kind, strategy, about, objects...)
	g.files[len(g.files)-1].created = true
}

// mark is in the first lines of every generated file.
const mark = "Generated by "

// header says how a file was made, and what it is about.
func (g *generator) header(begin, about string) string {
	text := begin + " " + mark + "\"" + g.Invocation + "\": run it again instead of editing this file.\n"
	if about != "" {
		text += comment(about) + "\n"
	}
	return text
}

// names of objects in Kasten's namespace.
const (
	stoppedSuffix = "-create-stopped"
	runSuffix     = "-run-"
	longestSuffix = stoppedSuffix
)

// name is that of the Blueprint, binding and policy of a strategy.
func (o *Options) name(s Strategy) string { return o.Prefix + "-" + string(s) }

func (o *Options) inKasten(name string) blueprint.Ref {
	return blueprint.Ref{Name: name, Namespace: o.KastenNamespace}
}

func (o *Options) metadata(name string) blueprint.Metadata {
	return blueprint.Metadata{Name: name, Namespace: o.KastenNamespace}
}
