package zoo

import (
	"embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed cql/*.cql
var files embed.FS

// Generated rows carry timestamps from baseTime on, so that digests of two
// rings agree and so that columns dropped later are older than their drop.
const baseTime = 1_700_000_000_000_000

// statement is one entry of a statement file.
type statement struct {
	// needs are the features, or in queries.cql the object, in brackets.
	needs []string
	// words say what the statement does.
	words string
	// cql has no final semicolon.
	cql string
}

// load reads a statement file and fills in the placeholders.
func load(file string, vars map[string]string) ([]statement, error) {
	text, err := files.ReadFile("cql/" + file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	pairs := make([]string, 0, 2*len(vars))
	for name, value := range vars {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return parse(strings.NewReplacer(pairs...).Replace(string(text))), nil
}

// parse splits a file at its lines of two dashes; three dashes and what comes
// before the first statement are comments.
func parse(text string) []statement {
	var list []statement
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "---"):
		case strings.HasPrefix(line, "-- "):
			list = append(list, header(strings.TrimSpace(line[3:])))
		case len(list) > 0:
			list[len(list)-1].cql += line
		}
	}
	for i := range list {
		list[i].cql = strings.TrimSpace(list[i].cql)
	}
	return list
}

func header(line string) statement {
	if rest, ok := strings.CutPrefix(line, "["); ok {
		if needs, words, ok := strings.Cut(rest, "] "); ok {
			return statement{needs: strings.Split(needs, ","), words: words}
		}
	}
	return statement{words: line}
}

// missing returns the first need that is not in has.
func (s statement) missing(has []string) (string, bool) {
	for _, need := range s.needs {
		if !slices.Contains(has, need) {
			return need, true
		}
	}
	return "", false
}

const createView = "CREATE MATERIALIZED"

// verb is what the statement does to what kind of object: its first two words,
// and its first for grants and for changes of rows.
func (s statement) verb() string {
	words := strings.Fields(s.cql)
	switch {
	case len(words) < 2, s.write():
		return words[0]
	case words[0] == "GRANT", words[0] == "REVOKE", words[1] == "ROLE":
		return "GRANT"
	case words[1] == "CUSTOM":
		return words[0] + " " + words[2]
	}
	return words[0] + " " + words[1]
}

// write says whether the statement changes rows rather than the schema.
func (s statement) write() bool {
	first, _, _ := strings.Cut(s.cql, " ")
	return slices.Contains([]string{"INSERT", "UPDATE", "DELETE", "TRUNCATE"}, first)
}

// vars are the placeholders of the statement files.
func vars(datacenter string, nodes int) map[string]string {
	return map[string]string{
		"dc":  datacenter,
		"rf1": "1",
		"rf2": strconv.Itoa(max(1, min(2, nodes))),
		"rf3": strconv.Itoa(max(1, min(3, nodes))),
		"t":   strconv.FormatInt(baseTime+time.Second.Microseconds(), 10),
	}
}
