// Package clean holds the tests of the cleaner on real nodes, behind the build tag
// clean, since they take minutes: a backup, a disaster from which Cassandra does not start by itself, the
// cleaner, and a node that is what it was.
package clean
