//go:build ring && !full

package roundtrip

// moreZoos are the rings of TestZoo that only the full suite has: see full_test.go.
func moreZoos() []zooTest { return nil }
