package generate

import (
	"strings"

	"github.com/pmezard/go-difflib/difflib"
)

// unifiedDiff is the difference of two texts as patch reads it; "" when there is none.
func unifiedDiff(from, to, a, b string) (string, error) {
	if a == b {
		return "", nil
	}
	return difflib.GetUnifiedDiffString(difflib.UnifiedDiff{A: diffLines(a), B: diffLines(b), FromFile: from, ToFile: to, Context: 3})
}

// diffLines keeps the line ends. A missing one is a difference, and is written as patch reads it.
func diffLines(s string) []string {
	lines := strings.SplitAfter(s, "\n")
	last := len(lines) - 1
	if lines[last] == "" {
		return lines[:last]
	}
	lines[last] += "\n\\ No newline at end of file\n"
	return lines
}
