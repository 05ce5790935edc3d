package report

import (
	"html/template"
	"io"
)

// Page is a report for people in one HTML file, which loads nothing from
// anywhere.
type Page struct {
	Title string
	// Verdict is the result in one sentence; OK colours it.
	Verdict  string
	OK       bool
	Sections []Section
}

// Section is a table with a heading.
type Section struct {
	Title string
	Table *Table
}

// HTML writes the page. Everything in it is escaped.
func (p Page) HTML(w io.Writer) error {
	t, err := template.New("page").Parse(page)
	if err != nil {
		return err
	}
	return t.Execute(w, p)
}

const page = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{{.Title}}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1d2733; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.verdict { padding: .7rem 1rem; border-radius: .4rem; background: #fde8e6; color: #8c1d18; font-weight: 600; }
.verdict.ok { background: #e3f4e6; color: #14532d; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #e2e8ef; vertical-align: top; white-space: pre-wrap; }
th { color: #5a6b7d; font-weight: 600; }
</style>
</head>
<body>
<h1>{{.Title}}</h1>
<p class="verdict{{if .OK}} ok{{end}}">{{.Verdict}}</p>
{{range .Sections}}<h2>{{.Title}}</h2>
<table>
<thead><tr>{{range .Table.Header}}<th>{{.}}</th>{{end}}</tr></thead>
<tbody>
{{range .Table.Rows}}<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>
{{end}}</tbody>
</table>
{{end}}</body>
</html>
`
