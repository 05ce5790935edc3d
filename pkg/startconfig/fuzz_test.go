package startconfig

import "testing"

// FuzzParse: a configuration that somebody else wrote is read or refused, and its number
// of tokens is one.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"cluster_name: 'shop'\nnum_tokens: 16\n", "\ufeffauto_repair:\n  enabled: true\n", "num_tokens: 1e3\n", "cluster_name: \"a\\u0062\" # x\n", "a: |\n  b\n- c\n", "'", "cluster_name: '''\n", "---\n...\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := parse(text); err == nil && c.NumTokens < 1 {
			t.Fatalf("%+v", c)
		}
	})
}
