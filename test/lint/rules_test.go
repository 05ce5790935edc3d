package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"sort"
	"strings"
)

// rule is one rule with its reason, which stands in the text of a failure.
type rule struct {
	name, reason string
	// check lists violations as "place: what".
	check func([]*file) []string
}

func rules() []rule {
	return append(budgets(), []rule{
		{"the node side is standard library only", "casshook-agent is copied into containers that are not ours: it must stay small, static, and without foreign code beside the data", nodeSide},
		{"flows know no world", "backup and restore must run the same on hosts and in Kubernetes: they reach nodes through pkg/ring only", never([]string{"pkg/backup", "pkg/restore"}, "pkg/kube", "pkg/hosts")},
		{"one importer of client-go", "what talks to Kubernetes is in pkg/kube, so that hosts need none of it and a fake is one package", only("k8s.io/client-go", "pkg/kube")},
		{"files are generated without client-go", "who writes files, examines facts or names objects must not link a Kubernetes client", never([]string{"pkg/generate", "pkg/doctor", "pkg/kube/objects"}, "k8s.io/client-go")},
		{"pkg/kube has no arrow up", "a package that knows those above it can neither be read nor tested alone", kubeUpwards},
		{"one importer of the CQL driver", "sessions, retries, consistency and secrets are decided once, in pkg/cql", only("github.com/apache/cassandra-gocql-driver", "pkg/cql")},
		{"one importer of the former CQL driver", "there is one CQL driver, and pkg/cql has it", only("github.com/gocql/gocql", "pkg/cql")},
		{"the product knows no lab", "what is shipped must not carry what only tests need", noLab},
		{"a package is a thing", "a name that says nothing collects what belongs elsewhere", packageNames},
		{"every package has a package comment", "the first question of a reader is what a package is for", packageComments},
		{"contexts begin in main", "a context that begins elsewhere cannot be cancelled by a signal, nor bounded by the caller", contexts},
		{"files on volumes are safe", "what lies on a volume may be anybody's: pkg/safefile follows no links, waits for nobody and reads no more than a limit", volumeFiles},
		{"no init", "what runs before main cannot be seen, ordered, or tested", noInit},
		{"no mutable package variables", "runs of one process must not share state; regexps, error values, embedded files and checks of interfaces never change", noVariables},
	}...)
}

// nodeSideDirs are the agent and all that it is made of.
func nodeSideDirs() []string {
	return []string{"cmd/casshook-agent", "pkg/agent", "pkg/agent/storage", "pkg/agent/wire", "pkg/cleaner", "pkg/ledger", "pkg/flow", "pkg/escape", "pkg/document", "pkg/safefile", "pkg/sstable", "pkg/schema", "pkg/startconfig"}
}

// volumeFiles finds direct calls that open or change files where the paths are those of
// volumes. What looks at a trusted directory itself, or at no volume, is named here.
func volumeFiles(files []*file) []string {
	calls := []string{"Chmod", "Chown", "Chtimes", "Create", "CreateTemp", "DirFS", "Lchown", "Link", "Lstat", "Mkdir", "MkdirAll", "MkdirTemp", "Open", "OpenFile",
		"OpenRoot", "ReadDir", "ReadFile", "Readlink", "Remove", "RemoveAll", "Rename", "Symlink", "Truncate", "WriteFile"}
	dirs := []string{"pkg/agent", "pkg/agent/storage", "pkg/cleaner", "pkg/document", "pkg/ledger", "pkg/sstable"}
	allowed := []string{"pkg/document/identity.go: os.ReadFile", "pkg/agent/storage/storage.go: os.Open", // sysfs; syncfs of a trusted directory
		"pkg/agent/storage/mount.go: os.Open"} // a trusted directory; proc
	var found []string
	for _, f := range files {
		if f.test || !slices.Contains(dirs, f.dir) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			for _, call := range calls {
				if ok && isSelector(e, "os", call) && !slices.Contains(allowed, f.path+": os."+call) {
					found = append(found, fmt.Sprintf("%s:%d: os.%s", f.path, f.line(n.Pos()), call))
				}
			}
			return true
		})
	}
	return found
}

func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

func nodeSide(files []*file) []string {
	return eachImport(files, func(f *file, imported string) string {
		inside := slices.Contains(nodeSideDirs(), strings.TrimPrefix(imported, module))
		if f.test || !slices.Contains(nodeSideDirs(), f.dir) || standard(imported) || inside {
			return ""
		}
		return "imports " + imported
	})
}

// eachImport asks about every import; "" is no violation.
func eachImport(files []*file, ask func(f *file, imported string) string) []string {
	var found []string
	for _, f := range files {
		for imported, line := range f.imports() {
			if text := ask(f, imported); text != "" {
				found = append(found, fmt.Sprintf("%s:%d: %s", f.path, line, text))
			}
		}
	}
	return found
}

// ways are the packages that a directory's code leads to, each with the shortest way:
// a detour is no better than an import.
func ways(files []*file, start string) map[string]string {
	imports := map[string][]string{}
	for _, f := range files {
		for imported := range f.imports() {
			if !f.test {
				imports[f.dir] = append(imports[f.dir], strings.TrimPrefix(imported, module))
			}
		}
	}
	way := map[string]string{start: start}
	for queue := []string{start}; len(queue) > 0; queue = queue[1:] {
		for _, next := range imports[queue[0]] {
			if way[next] == "" {
				way[next] = way[queue[0]] + " -> " + next
				queue = append(queue, next)
			}
		}
	}
	return way
}

// never lists the ways from directories to packages, and what is below those.
func never(from []string, to ...string) func([]*file) []string {
	return func(files []*file) []string {
		var found []string
		for _, start := range from {
			for end, way := range ways(files, start) {
				if slices.ContainsFunc(to, func(p string) bool { return end == p || strings.HasPrefix(end, p+"/") }) {
					found = append(found, way)
				}
			}
		}
		return found
	}
}

// kubeOrder is pkg/kube from its ground up: each imports only what comes before it.
func kubeOrder() []string {
	return []string{"objects", "api", "datacenter", "stream", "lock", "cleaner", "snapshot", "stopped", "operator", "facts"}
}

// kubeUpwards lists imports that go up, and packages that have no place in the order.
func kubeUpwards(files []*file) []string {
	const kube = "pkg/kube/"
	place := func(dir string) int { return slices.Index(kubeOrder(), strings.TrimPrefix(dir, kube)) }
	found := eachImport(files, func(f *file, imported string) string {
		imported = strings.TrimPrefix(imported, module)
		if !f.under("pkg/kube") || f.dir == "pkg/kube" || f.test || f.under(kube+"internal") || !strings.HasPrefix(imported+"/", kube) {
			return ""
		}
		if to := place(imported); to < 0 || to >= place(f.dir) {
			return "imports " + imported
		}
		return ""
	})
	for _, f := range files {
		if strings.HasPrefix(f.dir, kube) && !f.under(kube+"internal") && place(f.dir) < 0 {
			found = append(found, f.dir+": has no place in kubeOrder")
		}
	}
	return found
}

// only allows a module in one directory and in test/.
func only(imported, dir string) func([]*file) []string {
	return func(files []*file) []string {
		return eachImport(files, func(f *file, path string) string {
			if f.under(dir, "test") || (path != imported && !strings.HasPrefix(path, imported+"/")) {
				return ""
			}
			return "imports " + path + ": only " + dir + " does"
		})
	}
}

func noLab(files []*file) []string {
	return eachImport(files, func(f *file, imported string) string {
		if f.under("pkg", "cmd") && strings.HasPrefix(imported, module+"test/") {
			return "imports " + imported
		}
		return ""
	})
}

func packageNames(files []*file) []string {
	var found []string
	for _, f := range files {
		for _, name := range []string{path.Base(f.dir), f.ast.Name.Name} {
			name = strings.TrimSuffix(name, "_test")
			if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "types", "misc", "manager"}, name) {
				found = append(found, fmt.Sprintf("%s: package %s", f.dir, name))
			}
		}
	}
	return found
}

func packageComments(files []*file) []string {
	commented := map[string]bool{}
	for _, f := range files {
		if !f.test {
			commented[f.dir] = commented[f.dir] || f.ast.Doc.Text() != ""
		}
	}
	var found []string
	for dir, ok := range commented {
		if !ok {
			found = append(found, dir+": no package comment")
		}
	}
	return found
}

func contexts(files []*file) []string {
	var found []string
	for _, f := range files {
		if f.test || f.ast.Name.Name == "main" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && (isSelector(s, "context", "Background") || isSelector(s, "context", "TODO")) {
				found = append(found, fmt.Sprintf("%s:%d: context.%s", f.path, f.line(s.Pos()), s.Sel.Name))
			}
			return true
		})
	}
	return found
}

func isSelector(e ast.Expr, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg
}

func noInit(files []*file) []string {
	return eachFunction(files, func(f *file, fn *ast.FuncDecl) string {
		if fn.Recv == nil && fn.Name.Name == "init" {
			return "init"
		}
		return ""
	})
}

// eachFunction asks about every function outside tests; "" is no violation.
func eachFunction(files []*file, ask func(*file, *ast.FuncDecl) string) []string {
	var found []string
	for _, f := range files {
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && !f.test {
				if text := ask(f, fn); text != "" {
					found = append(found, fmt.Sprintf("%s:%d: %s", f.path, f.line(fn.Pos()), text))
				}
			}
		}
	}
	return found
}

func noVariables(files []*file) []string {
	var found []string
	for _, f := range files {
		for _, decl := range f.ast.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR || f.test {
				continue
			}
			for _, spec := range gen.Specs {
				if v := spec.(*ast.ValueSpec); !constant(f, v) {
					found = append(found, fmt.Sprintf("%s:%d: var %s", f.path, f.line(v.Pos()), v.Names[0].Name))
				}
			}
		}
	}
	return found
}

// constant tells whether a variable is one that nobody changes.
func constant(f *file, v *ast.ValueSpec) bool {
	if isSelector(v.Type, "embed", "FS") {
		return true
	}
	for i, name := range v.Names {
		if name.Name != "_" && (i >= len(v.Values) || !constantValue(f, name.Name, v.Values[i])) {
			return false
		}
	}
	return true
}

func constantValue(f *file, name string, value ast.Expr) bool {
	if call, ok := value.(*ast.CallExpr); ok {
		return isSelector(call.Fun, "regexp", "MustCompile") || isSelector(call.Fun, "errors", "New") || isSelector(call.Fun, "fmt", "Errorf")
	}
	// The linker's -X sets strings only, and only variables.
	_, literal := value.(*ast.BasicLit)
	return literal && name == "Release" && f.under("pkg/cli", "pkg/agent")
}

// sorted violations without repetition.
func sorted(found []string) []string {
	sort.Strings(found)
	return slices.Compact(found)
}
