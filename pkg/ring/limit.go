package ring

import (
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
)

// openAtOnce bounds the agents that are started at the same time: each may have to be
// copied to its node first, through one API server or one uplink.
const openAtOnce = 8

// The agent itself gives up a call to Cassandra after a minute at most, unless it is
// told otherwise.
const cassandraCall = time.Minute

// callLimit is how long an agent that is alive may give neither an answer nor an event of
// a request. What needs long by nature is bounded by what the request says.
func callLimit(op string, args any) time.Duration {
	switch a := args.(type) {
	case wire.FlushArgs: // one keyspace after the other
		return time.Duration(len(a.Keyspaces)+1) * cassandraCall
	case wire.SnapshotArgs: // the barrier waits for all nodes
		return 4*cassandraCall + a.Wait
	case wire.LoadArgs: // events come with each table
		return liveDirWait + 2*cassandraCall + a.Wait
	case wire.LeftoverArgs: // one table after the other
		return time.Duration(len(a.Tables)+1) * leftoverTable
	case wire.VerifyArgs: // events come with each table
		if a.Full {
			return fullVerify
		}
	}
	if limit, ok := map[string]time.Duration{
		wire.OpHello:   10 * time.Minute, // the agent is copied first
		wire.OpInspect: 5 * time.Minute,
		wire.OpLock:    time.Minute,
		wire.OpBegin:   time.Minute,
		wire.OpFacts:   2 * cassandraCall,
		wire.OpSchema:  2 * cassandraCall,
		wire.OpJournal: time.Minute,
		wire.OpWrite:   checksums,
	}[op]; ok {
		return limit
	}
	return fileWork
}

const (
	// liveDirWait is how long an agent waits for the directories of a new table.
	liveDirWait = time.Minute
	// leftoverTable is how long it may take until a table that a dead run loaded is
	// settled.
	leftoverTable = 11 * time.Minute
	// fileWork is what reads, links, syncs or removes the files of a whole volume.
	fileWork = time.Hour
	// checksums is for all files of a volume but Data.db, where none is remembered.
	checksums = 12 * time.Hour
	// fullVerify is for every byte of one table.
	fullVerify = 48 * time.Hour
)
