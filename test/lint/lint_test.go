package lint

import (
	"go/ast"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTree(t *testing.T) {
	t.Parallel()
	files := tree(t)
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			if found := sorted(r.check(files)); len(found) > 0 {
				t.Errorf("%s, because %s:\n\t%s", r.name, r.reason, strings.Join(found, "\n\t"))
			}
		})
	}
}

// TestRules shows that each rule finds what it is for, and no more.
func TestRules(t *testing.T) {
	t.Parallel()
	body := func(text string) map[string]string {
		return map[string]string{"pkg/x/a.go": "package x\n\nfunc f() {\n" + text + "\n}\n"}
	}
	imports := func(path string) string { return "package x\n\nimport _ \"" + path + "\"\n" }
	byRule := map[string]map[string]struct {
		files map[string]string
		want  []string
	}{
		"the node side is standard library only": {
			"foreign":           {map[string]string{"pkg/agent/wire/a.go": imports("sigs.k8s.io/yaml")}, []string{"pkg/agent/wire/a.go:3: imports sigs.k8s.io/yaml"}},
			"ours":              {map[string]string{"cmd/casshook-agent/a.go": imports(module + "pkg/ring")}, []string{"cmd/casshook-agent/a.go:3: imports " + module + "pkg/ring"}},
			"standard":          {map[string]string{"pkg/agent/a.go": imports("encoding/json")}, nil},
			"each other":        {map[string]string{"pkg/agent/a.go": imports(module + "pkg/agent/wire")}, nil},
			"tests":             {map[string]string{"pkg/agent/a_test.go": imports("github.com/stretchr/testify/require")}, nil},
			"another directory": {map[string]string{"pkg/hosts/a.go": imports("sigs.k8s.io/yaml")}, nil},
		},
		"files on volumes are safe": {
			"opens":       {map[string]string{"pkg/cleaner/a.go": "package x\n\nvar f, err = os.ReadFile(x)\n"}, []string{"pkg/cleaner/a.go:3: os.ReadFile"}},
			"as a value":  {map[string]string{"pkg/agent/a.go": "package x\n\nvar f = os.Link\n"}, []string{"pkg/agent/a.go:3: os.Link"}},
			"allowed":     {map[string]string{"pkg/document/identity.go": "package x\n\nvar f, err = os.ReadFile(x)\n"}, nil},
			"a directory": {map[string]string{"pkg/agent/a.go": "package x\n\nvar f, err = os.Stat(x)\n"}, nil},
			"elsewhere":   {map[string]string{"pkg/hosts/a.go": "package x\n\nvar f, err = os.ReadFile(x)\n"}, nil},
			"tests":       {map[string]string{"pkg/agent/a_test.go": "package x\n\nvar f = os.Link\n"}, nil},
		},
		"flows know no world": {
			"direct": {map[string]string{"pkg/backup/a.go": imports(module + "pkg/hosts")}, []string{"pkg/backup -> pkg/hosts"}},
			"by a detour": {map[string]string{"pkg/restore/a.go": imports(module + "pkg/ring"), "pkg/ring/a.go": imports(module + "pkg/kube")},
				[]string{"pkg/restore -> pkg/ring -> pkg/kube"}},
			"another package": {map[string]string{"pkg/cli/a.go": imports(module + "pkg/hosts"), "pkg/backup/a.go": imports(module + "pkg/ring")}, nil},
		},
		"one importer of client-go": {
			"cli":  {map[string]string{"pkg/cli/a_test.go": imports("k8s.io/client-go/kubernetes")}, []string{"pkg/cli/a_test.go:3: imports k8s.io/client-go/kubernetes: only pkg/kube does"}},
			"kube": {map[string]string{"pkg/kube/a.go": imports("k8s.io/client-go/kubernetes"), "test/lab/kube/a.go": imports("k8s.io/client-go/rest")}, nil},
		},
		"files are generated without client-go": {
			"by a detour": {map[string]string{"pkg/generate/a.go": imports(module + "pkg/kube"), "pkg/kube/a.go": imports("k8s.io/client-go/rest")},
				[]string{"pkg/generate -> pkg/kube -> k8s.io/client-go/rest"}},
			"tests":   {map[string]string{"pkg/generate/a_test.go": imports("k8s.io/client-go/rest")}, nil},
			"objects": {map[string]string{"pkg/generate/a.go": imports(module + "pkg/kube/objects"), "pkg/kube/objects/a.go": imports("k8s.io/api/core/v1")}, nil},
		},
		"pkg/kube has no arrow up": {
			"up":          {map[string]string{"pkg/kube/api/a.go": imports(module + "pkg/kube/lock")}, []string{"pkg/kube/api/a.go:3: imports pkg/kube/lock"}},
			"to the top":  {map[string]string{"pkg/kube/lock/a.go": imports(module + "pkg/kube")}, []string{"pkg/kube/lock/a.go:3: imports pkg/kube"}},
			"tests' own":  {map[string]string{"pkg/kube/lock/a.go": imports(module + "pkg/kube/internal/kubetest")}, []string{"pkg/kube/lock/a.go:3: imports pkg/kube/internal/kubetest"}},
			"without one": {map[string]string{"pkg/kube/more/a.go": "package more\n"}, []string{"pkg/kube/more: has no place in kubeOrder"}},
			"down":        {map[string]string{"pkg/kube/lock/a.go": imports(module + "pkg/kube/api"), "pkg/kube/a.go": imports(module + "pkg/kube/lock"), "pkg/kube/api/a_test.go": imports(module + "pkg/kube/lock")}, nil},
		},
		"one importer of the CQL driver": {
			"backup": {map[string]string{"pkg/backup/a.go": imports("github.com/apache/cassandra-gocql-driver/v2")},
				[]string{"pkg/backup/a.go:3: imports github.com/apache/cassandra-gocql-driver/v2: only pkg/cql does"}},
			"cql": {map[string]string{"pkg/cql/a.go": imports("github.com/apache/cassandra-gocql-driver/v2"), "test/lab/a.go": imports("github.com/apache/cassandra-gocql-driver/v2")}, nil},
		},
		"one importer of the former CQL driver": {
			"backup": {map[string]string{"pkg/backup/a.go": imports("github.com/gocql/gocql")}, []string{"pkg/backup/a.go:3: imports github.com/gocql/gocql: only pkg/cql does"}},
		},
		"the product knows no lab": {
			"even in tests": {map[string]string{"pkg/ring/a_test.go": imports(module + "test/lab/zoo")}, []string{"pkg/ring/a_test.go:3: imports " + module + "test/lab/zoo"}},
			"the lab":       {map[string]string{"test/demo/a.go": imports(module + "test/lab/zoo")}, nil},
		},
		"a package is a thing": {
			"directory":   {map[string]string{"pkg/util/a.go": "package u\n"}, []string{"pkg/util: package util"}},
			"name":        {map[string]string{"pkg/x/a.go": "package helpers\n"}, []string{"pkg/x: package helpers"}},
			"test":        {map[string]string{"pkg/x/a_test.go": "package types_test\n"}, []string{"pkg/x: package types"}},
			"only a part": {map[string]string{"pkg/nodeutil/a.go": "package nodeutil\n"}, nil},
		},
		"every package has a package comment": {
			"none":                 {map[string]string{"pkg/x/a.go": "package x\n"}, []string{"pkg/x: no package comment"}},
			"in one file":          {map[string]string{"pkg/x/a.go": "package x\n", "pkg/x/b.go": "// Package x is.\npackage x\n"}, nil},
			"a blank line between": {map[string]string{"pkg/x/a.go": "// Package x is.\n\npackage x\n"}, []string{"pkg/x: no package comment"}},
			"only tests":           {map[string]string{"pkg/x/a_test.go": "package x\n"}, nil},
		},
		"contexts begin in main": {
			"background": {map[string]string{"pkg/x/a.go": "package x\n\nvar c = context.Background()\n"}, []string{"pkg/x/a.go:3: context.Background"}},
			"todo":       {map[string]string{"pkg/x/a.go": "package x\n\nfunc f() { g(context.TODO()) }\n"}, []string{"pkg/x/a.go:3: context.TODO"}},
			"main":       {map[string]string{"cmd/x/a.go": "package main\n\nvar c = context.Background()\n"}, nil},
			"without":    {map[string]string{"pkg/x/a.go": "package x\n\nvar c = context.WithoutCancel(d)\n"}, nil},
		},
		"no init": {
			"init":   {map[string]string{"pkg/x/a.go": "package x\n\nfunc init() {}\n"}, []string{"pkg/x/a.go:3: init"}},
			"method": {map[string]string{"pkg/x/a.go": "package x\n\nfunc (x x) init() {}\n"}, nil},
		},
		"no mutable package variables": {
			"map":         {map[string]string{"pkg/x/a.go": "package x\n\nvar m = map[string]int{}\n"}, []string{"pkg/x/a.go:3: var m"}},
			"no value":    {map[string]string{"pkg/x/a.go": "package x\n\nvar mu sync.Mutex\n"}, []string{"pkg/x/a.go:3: var mu"}},
			"in a group":  {map[string]string{"pkg/x/a.go": "package x\n\nvar (\n\ta = errors.New(\"a\")\n\tb = 1\n)\n"}, []string{"pkg/x/a.go:5: var b"}},
			"second name": {map[string]string{"pkg/x/a.go": "package x\n\nvar a, b = errors.New(\"a\"), 1\n"}, []string{"pkg/x/a.go:3: var a"}},
			"string":      {map[string]string{"pkg/x/a.go": "package x\n\nvar Release = \"dev\"\n"}, []string{"pkg/x/a.go:3: var Release"}},
			"allowed": {map[string]string{"pkg/cli/a.go": "package cli\n\nvar Release = \"dev\"\n\nvar _ I = (*T)(nil)\n\nvar r = regexp.MustCompile(\"x\")\n\n" +
				"var e = fmt.Errorf(\"x\")\n\nvar f embed.FS\n\nfunc g() { var local = 1 }\n"}, nil},
		},
		"files have at most 330 lines": {
			"331":  {map[string]string{"pkg/x/a.go": "package x\n" + strings.Repeat("\n", 330)}, []string{"pkg/x/a.go: 331 lines"}},
			"330":  {map[string]string{"pkg/x/a.go": "package x\n" + strings.Repeat("\n", 329)}, nil},
			"test": {map[string]string{"pkg/x/a_test.go": "package x\n" + strings.Repeat("\n", 330)}, nil},
		},
		"functions have at most 100 lines": {
			"101": {map[string]string{"pkg/x/a.go": "package x\n\nfunc (x x) f() {\n" + strings.Repeat("\n", 99) + "}\n"}, []string{"pkg/x/a.go:3: x.f: 101 lines"}},
			"100": {map[string]string{"pkg/x/a.go": "package x\n\nfunc f() {\n" + strings.Repeat("\n", 98) + "}\n"}, nil},
		},
		"lines have at most 200 characters": {
			"201":    {map[string]string{"pkg/x/a.go": "package x\n\n// " + strings.Repeat("é", 198) + "\n"}, []string{"pkg/x/a.go:3: 201 characters"}},
			"200":    {map[string]string{"pkg/x/a.go": "package x\n\n// " + strings.Repeat("é", 197) + "\n"}, nil},
			"a test": {map[string]string{"pkg/x/a_test.go": "package x\n\n// " + strings.Repeat("e", 300) + "\n"}, nil},
		},
		"half of the functions have at most 15 lines": {
			"most are long": {map[string]string{"pkg/x/a.go": "package x\n\nfunc f() {\n" + strings.Repeat("\n", 14) + "}\n\nfunc g() {}\n"},
				[]string{"the median of 2 functions: 16 lines"}},
			"half of them": {map[string]string{"pkg/x/a.go": "package x\n\nfunc f() {\n" + strings.Repeat("\n", 14) + "}\n\nfunc g() {}\n\nfunc h() {}\n"}, nil},
			"none":         {map[string]string{"pkg/x/a.go": "package x\n"}, nil},
		},
		"functions have a complexity of at most 12": {
			"if":             {body(strings.Repeat("if a {}\n", 12)), []string{"pkg/x/a.go:3: f: 13 ways"}},
			"12":             {body(strings.Repeat("if a {}\n", 11)), nil},
			"else if":        {body("if a {}" + strings.Repeat(" else if a {}", 11)), []string{"pkg/x/a.go:3: f: 13 ways"}},
			"loops":          {body(strings.Repeat("for a {}\nfor range a {}\n", 6)), []string{"pkg/x/a.go:3: f: 13 ways"}},
			"and, or":        {body("x = a" + strings.Repeat(" && a || a", 6)), []string{"pkg/x/a.go:3: f: 13 ways"}},
			"cases":          {body("switch a {\n" + strings.Repeat("case a:\n", 12) + "}"), []string{"pkg/x/a.go:3: f: 13 ways"}},
			"default":        {body("switch a {\n" + strings.Repeat("case a:\n", 11) + "default:\n}"), nil},
			"select":         {body("select {\n" + strings.Repeat("case <-a:\n", 12) + "}"), []string{"pkg/x/a.go:3: f: 13 ways"}},
			"in a literal":   {body("func() {\n" + strings.Repeat("if a {}\n", 12) + "}()"), []string{"pkg/x/a.go:3: f: 13 ways"}},
			"in another one": {map[string]string{"pkg/x/a.go": "package x\n\nfunc f() {\n" + strings.Repeat("if a {}\n", 11) + "}\n\nfunc g() { if a {} }\n"}, nil},
		},
		"functions have at most 4 parameters": {
			"5":                  {map[string]string{"pkg/x/a.go": "package x\n\nfunc (x *x[T]) f(a, b int, c, d, e string) {}\n"}, []string{"pkg/x/a.go:3: x.f: 5 parameters"}},
			"4 and a context":    {map[string]string{"pkg/x/a.go": "package x\n\nfunc f(ctx context.Context, a, b, c, d int) {}\n"}, nil},
			"5 and a context":    {map[string]string{"pkg/x/a.go": "package x\n\nfunc f(ctx context.Context, a, b, c, d int, _ ...int) {}\n"}, []string{"pkg/x/a.go:3: f: 5 parameters"}},
			"one that may":       {map[string]string{"pkg/document/a.go": "package x\n\nfunc SnapshotDir(a, b, c, d, e int) {}\n"}, nil},
			"its name elsewhere": {map[string]string{"pkg/x/a.go": "package x\n\nfunc SnapshotDir(a, b, c, d, e int) {}\n"}, []string{"pkg/x/a.go:3: SnapshotDir: 5 parameters"}},
		},
		"functions nest at most 3 deep": {
			"4":            {body("if a { for { switch { case a: if a {} } } }"), []string{"pkg/x/a.go:3: f: 4 levels"}},
			"3":            {body("if a { for range a { select { case <-a: a() } } }\nif a {}"), nil},
			"else":         {body("if a {} else { for { if a { if a {} } } }"), []string{"pkg/x/a.go:3: f: 4 levels"}},
			"else if":      {body("if a {} else if a {} else if a { for { for {} } }"), nil},
			"in a literal": {body("a(func() { if a { for { switch a.(type) { case a: if a {} } } } })"), []string{"pkg/x/a.go:3: f: 4 levels"}},
			"across one":   {body("if a { for { a(func() { if a { for {} } }) } }"), []string{"pkg/x/a.go:3: f: 4 levels"}},
			"no body":      {map[string]string{"pkg/x/a.go": "package x\n\nfunc f()\n"}, nil},
		},
		"exported names have a comment": {
			"function":     {map[string]string{"pkg/x/a.go": "package x\n\nfunc F() {}\n"}, []string{"pkg/x/a.go:3: F"}},
			"method":       {map[string]string{"pkg/x/a.go": "package x\n\nfunc (x *X) F() {}\n"}, []string{"pkg/x/a.go:3: X.F"}},
			"type":         {map[string]string{"pkg/x/a.go": "package x\n\ntype X int\n"}, []string{"pkg/x/a.go:3: X"}},
			"value":        {map[string]string{"pkg/x/a.go": "package x\n\nconst (\n\ta = 1\n\tB = 2\n)\n"}, []string{"pkg/x/a.go:5: B"}},
			"nobody's":     {map[string]string{"pkg/x/a.go": "package x\n\nfunc (x *x) F() {}\n\nfunc f() {}\n\ntype x int\n\nconst c = 1\n"}, nil},
			"with comment": {map[string]string{"pkg/x/a.go": "package x\n\n// F is.\nfunc F() {}\n\n// A and B are.\nconst (\n\tA = 1\n\tB = 2\n)\n\nvar C = 1 // is\n"}, nil},
			"main":         {map[string]string{"cmd/x/a.go": "package main\n\nfunc F() {}\n\ntype T int\n"}, nil},
		},
	}
	for _, r := range rules() {
		cases := byRule[r.name]
		require.NotEmpty(t, cases, "rule %q is not shown to find anything", r.name)
		for name, c := range cases {
			t.Run(r.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				var files []*file
				for path, source := range c.files {
					files = append(files, parse(t, path, source))
				}
				require.Equal(t, c.want, sorted(r.check(files)))
			})
		}
	}
}

// TestExceptions keeps the list from growing old: what is mended needs no exception.
func TestExceptions(t *testing.T) {
	t.Parallel()
	needed := map[string]bool{}
	measure := func(what string, most int, m func(*ast.FuncDecl) int) func(*file, *ast.FuncDecl) string {
		return func(f *file, fn *ast.FuncDecl) string {
			at := place(f, fn, what)
			needed[at] = needed[at] || m(fn) > most
			return ""
		}
	}
	files := tree(t)
	eachFunction(files, measure("ways", maxComplexity, branches))
	eachFunction(files, measure("parameters", maxParameters, parameters))
	eachFunction(files, measure("levels", maxNesting, levels))
	for at, reason := range exceptions() {
		is, there := needed[at]
		require.True(t, is || !there, "%s: no exception is needed", at)
		require.NotEmpty(t, reason, at)
	}
}
