package generate

import (
	"fmt"
	"strings"
)

// context is how many equal lines surround a change.
const context = 3

// edit is a line of a diff: ' ' stays, '-' goes, '+' comes.
type edit struct {
	op   byte
	line string
}

// unifiedDiff is the difference of two texts as patch reads it; "" when there is none.
func unifiedDiff(from, to, a, b string) string {
	if a == b {
		return ""
	}
	edits := editScript(splitLines(a), splitLines(b))
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", from, to)
	lineA, lineB := 1, 1
	for i := 0; i < len(edits); {
		if !nearChange(edits, i) {
			i, lineA, lineB = i+1, lineA+1, lineB+1
			continue
		}
		end := i
		for end < len(edits) && nearChange(edits, end) {
			end++
		}
		countA, countB := writeHunk(&out, edits[i:end], lineA, lineB)
		i, lineA, lineB = end, lineA+countA, lineB+countB
	}
	return out.String()
}

// writeHunk returns how many lines of both texts it covers.
func writeHunk(out *strings.Builder, edits []edit, lineA, lineB int) (countA, countB int) {
	for _, e := range edits {
		if e.op != '+' {
			countA++
		}
		if e.op != '-' {
			countB++
		}
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", hunkRange(lineA, countA), hunkRange(lineB, countB))
	for _, e := range edits {
		fmt.Fprintf(out, "%c%s", e.op, e.line)
		if !strings.HasSuffix(e.line, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
	return countA, countB
}

// hunkRange of no lines names the line before it.
func hunkRange(first, count int) string {
	if count == 0 {
		first--
	}
	return fmt.Sprintf("%d,%d", first, count)
}

func nearChange(edits []edit, i int) bool {
	for _, e := range edits[max(0, i-context):min(len(edits), i+context+1)] {
		if e.op != ' ' {
			return true
		}
	}
	return false
}

// splitLines keeps the line ends, so that a missing one is a difference.
func splitLines(s string) []string {
	lines := strings.SplitAfter(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// editScript is made of the longest common subsequence. The files here are short:
// the table has a cell for every pair of lines.
func editScript(a, b []string) []edit {
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var edits []edit
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			edits = append(edits, edit{' ', a[i]})
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common[i+1][j] >= common[i][j+1]):
			edits = append(edits, edit{'-', a[i]})
			i++
		default:
			edits = append(edits, edit{'+', b[j]})
			j++
		}
	}
	return edits
}
