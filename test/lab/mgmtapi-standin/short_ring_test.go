//go:build ring && !full

package standin_test

import "github.com/casshook/casshook/test/lab/cassandra"

// contractRings are those of TestContract: see full_ring_test.go for all.
func contractRings() map[string]cassandra.Options {
	return map[string]cassandra.Options{"5.0 latest": {Version: "5.0.9", Flavour: cassandra.Latest}}
}
