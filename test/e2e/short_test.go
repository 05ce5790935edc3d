//go:build kube && !full

package e2e

// trouble are the parts of TestOneNode that only the full suite has: see full_test.go.
func (w *world) trouble() []part { return nil }
