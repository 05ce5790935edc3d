package hosts

import (
	"slices"
	"strings"
)

// shown is a command as errors print it: the arguments of a prefix may be secrets.
func shown(prefix, argv []string) []string {
	if len(prefix) == 0 {
		return argv
	}
	head := []string{programOf(prefix)}
	if len(prefix) > 1 {
		head = append(head, "…")
	}
	return append(head, argv...)
}

// programOf is the first word of a prefix, which env alone may do without: a word with = is no program's name.
func programOf(prefix []string) string {
	if strings.Contains(prefix[0], "=") {
		return "…"
	}
	return prefix[0]
}

// shortest is the length of a secret that is looked for in other text: shorter ones would take
// letters out of words.
const shortest = 4

// withoutSecrets takes out of the output of a command what may be a secret in its prefix: programs like
// to print the arguments that they do not understand.
func withoutSecrets(text string, prefix []string) string {
	hidden := secretsOf(prefix)
	slices.SortFunc(hidden, func(a, b string) int { return len(b) - len(a) })
	for _, secret := range hidden {
		text = strings.ReplaceAll(text, secret, "…")
	}
	return text
}

// secretsOf are the values of NAME=VALUE, the words after an option, and options with a value in the same word.
// The others, such as a host's name, stay, since errors are about them.
func secretsOf(prefix []string) []string {
	var found []string
	add := func(word string) {
		if len(word) >= shortest {
			found = append(found, word)
		}
	}
	for i, word := range prefix {
		_, value, isPair := strings.Cut(word, "=")
		afterOption := i > 0 && strings.HasPrefix(prefix[i-1], "-") && !strings.Contains(prefix[i-1], "=")
		switch {
		case isPair:
			add(value)
		case strings.HasPrefix(word, "-") && !strings.HasPrefix(word, "--"):
			add(strings.TrimLeft(word, "-")[min(1, len(word)-1):])
		case strings.ContainsAny(word, " \t\n"): // a script
			add(word)
			for _, part := range secretsOf(strings.Fields(word)) {
				add(part)
			}
		case afterOption:
			add(word)
		}
	}
	return found
}
