package lint

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"unicode/utf8"
)

// Budgets of one function, file and line; a breach needs an entry in exceptions.
const (
	maxFile       = 330 // lines
	maxFunction   = 100 // lines
	maxMedian     = 15  // lines, of all functions
	maxWidth      = 200 // characters
	maxComplexity = 12
	maxParameters = 4
	maxNesting    = 3
)

// budgets are the rules that count.
func budgets() []rule {
	return []rule{
		{fmt.Sprintf("files have at most %d lines", maxFile), "a file is read at one go", fileLength},
		{fmt.Sprintf("lines have at most %d characters", maxWidth), "two files fit beside each other on a screen", lineWidth},
		{fmt.Sprintf("functions have at most %d lines", maxFunction), "a function is one thought", functionLength},
		{fmt.Sprintf("half of the functions have at most %d lines", maxMedian), "most thoughts are short", medianLength},
		{fmt.Sprintf("functions have a complexity of at most %d", maxComplexity), "a test for each way through a function must be possible", functionComplexity},
		{fmt.Sprintf("functions have at most %d parameters", maxParameters), "more are a struct, whose fields have names where it is called", functionParameters},
		{fmt.Sprintf("functions nest at most %d deep", maxNesting), "deeper, nobody knows under which conditions a line is run", functionNesting},
		{"exported names have a comment", "a reader of a package's documentation sees nothing else", exportedComments},
	}
}

func fileLength(files []*file) []string {
	var found []string
	for _, f := range files {
		if lines := f.fset.File(f.ast.FileStart).LineCount(); lines > maxFile && !f.test {
			found = append(found, fmt.Sprintf("%s: %d lines", f.path, lines))
		}
	}
	return found
}

func lineWidth(files []*file) []string {
	var found []string
	for _, f := range files {
		for i, line := range bytes.Split(f.source, []byte("\n")) {
			if width := utf8.RuneCount(line); width > maxWidth && !f.test {
				found = append(found, fmt.Sprintf("%s:%d: %d characters", f.path, i+1, width))
			}
		}
	}
	return found
}

// tooMuch lists the functions of which something measures more than it may.
func tooMuch(files []*file, most int, what string, measure func(*ast.FuncDecl) int) []string {
	return eachFunction(files, func(f *file, fn *ast.FuncDecl) string {
		if got := measure(fn); got > most && exceptions()[place(f, fn, what)] == "" {
			return fmt.Sprintf("%s: %d %s", nameOf(fn), got, what)
		}
		return ""
	})
}

// nameOf is a function's name after its receiver's type, if it has one.
func nameOf(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	return receiver(fn) + "." + fn.Name.Name
}

// receiver is the name of a method's type.
func receiver(fn *ast.FuncDecl) string {
	name := ""
	ast.Inspect(fn.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return name == ""
	})
	return name
}

func lines(f *file, fn *ast.FuncDecl) int { return f.line(fn.End()) - f.line(fn.Pos()) + 1 }

func functionLength(files []*file) []string {
	return eachFunction(files, func(f *file, fn *ast.FuncDecl) string {
		if got := lines(f, fn); got > maxFunction {
			return fmt.Sprintf("%s: %d lines", nameOf(fn), got)
		}
		return ""
	})
}

func medianLength(files []*file) []string {
	var all []int
	eachFunction(files, func(f *file, fn *ast.FuncDecl) string {
		all = append(all, lines(f, fn))
		return ""
	})
	slices.Sort(all)
	if len(all) > 0 && all[len(all)/2] > maxMedian {
		return []string{fmt.Sprintf("the median of %d functions: %d lines", len(all), all[len(all)/2])}
	}
	return nil
}

func functionComplexity(files []*file) []string {
	return tooMuch(files, maxComplexity, "ways", branches)
}

// branches counts how a function may go on: branches, loops, cases, && and ||. Those of
// function literals count where they stand.
func branches(fn *ast.FuncDecl) int {
	count := 1
	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt, *ast.CommClause:
			count++
		case *ast.CaseClause:
			count += min(1, len(n.List)) // none for default
		case *ast.BinaryExpr:
			if n.Op == token.LAND || n.Op == token.LOR {
				count++
			}
		}
		return true
	})
	return count
}

func functionParameters(files []*file) []string {
	return tooMuch(files, maxParameters, "parameters", parameters)
}

// parameters leaves out a context, which is no choice of the caller's.
func parameters(fn *ast.FuncDecl) int {
	number := fn.Type.Params.NumFields()
	if number > 0 && isSelector(fn.Type.Params.List[0].Type, "context", "Context") {
		number--
	}
	return number
}

func functionNesting(files []*file) []string {
	return tooMuch(files, maxNesting, "levels", levels)
}

// levels is the depth of branches and loops, those of function literals where they
// stand.
func levels(fn *ast.FuncDecl) int {
	if fn.Body == nil {
		return 0
	}
	return depth(fn.Body)
}

// depth of the deepest statement in a node.
func depth(node ast.Node) int {
	deepest := 0
	ast.Inspect(node, func(n ast.Node) bool {
		if n == node {
			return true
		}
		switch n := n.(type) {
		case *ast.IfStmt:
			deepest = max(deepest, 1+depth(n.Body), elseDepth(n.Else))
			return false
		case *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt:
			deepest = max(deepest, 1+depth(n))
			return false
		}
		return true
	})
	return deepest
}

// elseDepth: "else if" is beside its "if".
func elseDepth(e ast.Stmt) int {
	switch e := e.(type) {
	case *ast.IfStmt:
		return max(1+depth(e.Body), elseDepth(e.Else))
	case *ast.BlockStmt:
		return 1 + depth(e)
	}
	return 0
}

func exportedComments(files []*file) []string {
	found := eachFunction(files, func(f *file, fn *ast.FuncDecl) string {
		exported := fn.Name.IsExported() && (fn.Recv == nil || ast.IsExported(receiver(fn)))
		if !exported || fn.Doc.Text() != "" || f.ast.Name.Name == "main" {
			return ""
		}
		return nameOf(fn)
	})
	for _, f := range files {
		for _, decl := range f.ast.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || f.test || f.ast.Name.Name == "main" || gen.Doc.Text() != "" {
				continue
			}
			for _, spec := range gen.Specs {
				if name := uncommented(spec); name != nil {
					found = append(found, fmt.Sprintf("%s:%d: %s", f.path, f.line(name.Pos()), name.Name))
				}
			}
		}
	}
	return found
}

// uncommented is the first exported name of a declaration that has no comment.
func uncommented(spec ast.Spec) *ast.Ident {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc.Text() == "" {
			return s.Name
		}
	case *ast.ValueSpec:
		for _, name := range s.Names {
			if name.IsExported() && s.Doc.Text()+s.Comment.Text() == "" {
				return name
			}
		}
	}
	return nil
}
