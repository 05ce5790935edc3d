package schema

import (
	"regexp"
	"strings"
)

// quoteInitial puts quotes around the dates, times and addresses in the INITCOND of an
// aggregate, which 4.0 and 4.1 print without, so that no Cassandra takes the statement
// back (org.apache.cassandra.serializers.TypeSerializer.toCQLLiteral; seen on 4.0.19 and
// 4.1.10, not on 5.0.9).
func quoteInitial(text string) string {
	at := strings.LastIndex(text, "INITCOND")
	if at < 0 {
		return text
	}
	unquoted := regexp.MustCompile(`\'(?:[^\']|\'\')*\'` + // what has quotes stays
		`|-?\d{4,}-\d\d-\d\d(?:T\d\d:\d\d:\d\d\.\d+Z)?` + // date, timestamp
		`|\d\d:\d\d:\d\d\.\d+` + // time
		`|\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){7}`) // inet
	return text[:at] + unquoted.ReplaceAllStringFunc(text[at:], func(found string) string {
		if strings.HasPrefix(found, "'") {
			return found
		}
		return literal(found)
	})
}
