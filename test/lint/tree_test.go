package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/casshook/casshook/"

// file is one Go file of the two modules, whatever its build tags.
type file struct {
	// path is relative to the root of the repository, with slashes.
	path string
	dir  string
	test bool
	// source is the text of the file.
	source []byte
	ast    *ast.File
	fset   *token.FileSet
}

// line is where something stands in the file.
func (f *file) line(p token.Pos) int { return f.fset.Position(p).Line }

// imports are the import paths of the file, with their lines.
func (f *file) imports() map[string]int {
	found := map[string]int{}
	for _, spec := range f.ast.Imports {
		found[strings.Trim(spec.Path.Value, `"`)] = f.line(spec.Pos())
	}
	return found
}

// under tells whether the file is in one of the directories or below.
func (f *file) under(dirs ...string) bool {
	for _, dir := range dirs {
		if f.dir == dir || strings.HasPrefix(f.dir, dir+"/") {
			return true
		}
	}
	return false
}

func parse(t *testing.T, name, source string) *file {
	t.Helper()
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, name, source, parser.ParseComments|parser.SkipObjectResolution)
	require.NoError(t, err)
	return &file{path: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), source: []byte(source), ast: parsed, fset: fset}
}

// tree parses every Go file of the product and of the tests, which are two modules, but those of the modules that the lab builds,
// hidden directories and testdata.
func tree(t *testing.T) []*file {
	t.Helper()
	const root = "../.."
	modules := []string{root, filepath.Join(root, "test")}
	var files []*file
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, err := os.Stat(filepath.Join(p, "go.mod"))
			other := err == nil && !slices.Contains(modules, p)
			hidden := strings.HasPrefix(d.Name(), ".") && p != root
			if hidden || d.Name() == "testdata" || other {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		source, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		files = append(files, parse(t, filepath.ToSlash(rel), string(source)))
		return nil
	})
	require.NoError(t, err)
	for _, dir := range []string{"pkg", "cmd", "test"} {
		require.True(t, slices.ContainsFunc(files, func(f *file) bool { return f.under(dir) }), "the walk has lost %s", dir)
	}
	return files
}
