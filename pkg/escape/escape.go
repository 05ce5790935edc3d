// Package escape makes texts of rings and volumes, such as the names of roles and files,
// fit to be printed: nothing in them moves a cursor, hides, begins a line, or is an output
// of a Kanister phase. It needs only the standard library.
package escape

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
)

// marker begins an output of a phase; Kanister looks for it anywhere in a line of stdout
// and stderr.
const marker = "###Phase-output###"

// Text is a text for people: what is no visible character, line breaks among them, is an
// escape.
func Text(text string) string { return escaped(text, false) }

func escaped(text string, lines bool) string {
	var out strings.Builder
	for _, r := range text {
		if unicode.IsGraphic(r) || (lines && r == '\n') {
			out.WriteRune(r)
		} else {
			out.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return strings.ReplaceAll(out.String(), marker, `\`+marker[:1]+`\`+marker[1:])
}

// JSON is the same JSON, in which all characters of strings are visible.
func JSON(content []byte) []byte {
	var out strings.Builder
	for _, r := range string(content) {
		switch {
		case r == '\n' || r == '\t' || unicode.IsGraphic(r):
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return []byte(strings.ReplaceAll(out.String(), marker, `\u0023`+marker[1:]))
}

// Lines writes text for people, line by line, as Text has it.
func Lines(w io.Writer) io.Writer { return lines{w} }

type lines struct{ w io.Writer }

// Write implements io.Writer.
func (l lines) Write(content []byte) (int, error) {
	if _, err := io.WriteString(l.w, escaped(string(content), true)); err != nil {
		return 0, err
	}
	return len(content), nil
}
