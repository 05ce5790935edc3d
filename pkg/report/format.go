package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/yaml"

	"github.com/casshook/casshook/pkg/escape"
)

// Formats that results can be printed in.
const (
	FormatTable = "table"
	FormatJSON  = "json"
	FormatYAML  = "yaml"
	// FormatKanister is for people, and for Kanister beside them: tables here, the
	// outputs of the phase by whoever knows them.
	FormatKanister = "kanister"
)

// Print writes a result: as JSON or YAML of value, or as text by table.
func Print(w io.Writer, format string, value any, table func(io.Writer)) error {
	switch format {
	case FormatTable, FormatKanister:
		var text bytes.Buffer
		table(&text)
		_, err := escape.Lines(w).Write(text.Bytes())
		return err
	case FormatJSON:
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(value); err != nil {
			return err
		}
		_, err := w.Write(escape.JSON(text.Bytes()))
		return err
	case FormatYAML:
		data, err := yaml.Marshal(value)
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	}
	return CheckFormat(format)
}

// CheckFormat says what is wrong with a format, so that it can be asked before
// anything is done whose result could not be printed.
func CheckFormat(format string) error {
	if slices.Contains([]string{FormatTable, FormatJSON, FormatYAML, FormatKanister}, format) {
		return nil
	}
	return fmt.Errorf("unknown output format %q: use table, json, yaml or kanister", format)
}

// Table is a table of text for people.
type Table struct {
	Header []string
	Rows   [][]string
}

// Add appends a row.
func (t *Table) Add(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = fmt.Sprint(c)
	}
	t.Rows = append(t.Rows, row)
}

// Write prints the table, columns aligned, two blanks apart. A row may have more
// or fewer cells than the header. Line breaks and other control characters, which
// names in Cassandra may have, are printed as escapes.
func (t *Table) Write(w io.Writer) {
	var widths []int
	var all [][]string
	for _, row := range append([][]string{t.Header}, t.Rows...) {
		printed := make([]string, len(row))
		for i, cell := range row {
			printed[i] = escape.Text(cell)
			if i == len(widths) {
				widths = append(widths, 0)
			}
		}
		all = append(all, printed)
	}
	for _, row := range all {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range all {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// Bytes is a size that people read at a glance.
func Bytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, prefix := float64(n)/unit, 0
	for value >= unit && prefix < 4 {
		value /= unit
		prefix++
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[prefix])
}

// Count is a number of things, with the noun in the plural unless there is one.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
