//go:build ring && full

package roundtrip

import (
	"github.com/casshook/casshook/test/lab/cassandra"
	"github.com/casshook/casshook/test/lab/zoo"
)

// moreZoos are the rings of TestZoo that only the full suite has.
func moreZoos() []zooTest {
	return []zooTest{
		{"5.0 default, three nodes", cassandra.Options{Version: "5.0.9", Nodes: 3}, cassandra.InventorySocket, zoo.Small, ""},
		{"5.0 latest, three nodes", cassandra.Options{Version: "5.0.9", Flavour: cassandra.Latest, Nodes: 3}, cassandra.InventoryTCP, zoo.Small, ""},
		{"4.1, many files", cassandra.Options{Version: "4.1.10"}, cassandra.InventorySocket, zoo.Normal, ""},
	}
}
