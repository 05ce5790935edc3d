package cassandra

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

// Flavour says which of the two configurations that Cassandra 5.0 ships is followed. They write different sstables.
type Flavour string

const (
	// Default follows cassandra.yaml: big sstables with numbers as ids, which 4.x can read.
	Default Flavour = "default"
	// Latest follows cassandra_latest.yaml, only there in 5.0: BTI sstables with UUIDs as ids, trie memtables, SAI.
	Latest Flavour = "latest"
)

// Features are off in the cassandra.yaml of every version and on in the lab, unless disabled here.
type Features struct {
	DisableMaterializedViews    bool `json:"disableMaterializedViews,omitempty"`
	DisableUserDefinedFunctions bool `json:"disableUserDefinedFunctions,omitempty"`
	DisableSASI                 bool `json:"disableSASI,omitempty"`
	DisableDropCompactStorage   bool `json:"disableDropCompactStorage,omitempty"`
}

// APIOptions set up the stand-in of the Management API on every node.
type APIOptions struct {
	// Disable leaves Node.APISocket and Node.APIURL empty and TCP closed. The lab itself still asks the stand-in on a
	// socket of its own.
	Disable bool `json:"disable,omitempty"`
	// Limit is how long a synchronous call may take until it is answered with 500; 0 is the 30 s of the real one.
	Limit time.Duration `json:"limit,omitempty"`
	// Delay is slept before a method does its work, or until SetAPI removes it; the keys are names of NodeOps methods, as takeSnapshot.
	Delay map[string]time.Duration `json:"delay,omitempty"`
}

// Options describe a ring. Version and Dir are required.
type Options struct {
	// Version is one of Versions.
	Version string `json:"version"`
	// Flavour is Default when empty.
	Flavour Flavour `json:"flavour"`
	// Nodes is 1 when 0, and at most 20.
	Nodes int `json:"nodes"`
	// Dir gets everything the ring writes. It is created, and must not hold a ring already.
	Dir string `json:"-"`
	// ClusterName is "lab" when empty.
	ClusterName string `json:"clusterName"`
	// Features that are to be off.
	Features Features `json:"features"`
	// YAML holds more keys of cassandra.yaml, or other values for those the lab sets; the values are written as they are.
	YAML map[string]string `json:"yaml,omitempty"`
	// HeapMB is the heap of each node, 640 when 0.
	HeapMB int `json:"heapMB"`
	// API is the stand-in of the Management API.
	API APIOptions `json:"api"`
	// Detached lets nodes outlive the process that starts them. Without it the kernel kills them with that process.
	Detached bool `json:"detached,omitempty"`
	// MultipleDataDirs is the number of data directories of a node, 1 when 0: data, data1, data2 …
	MultipleDataDirs int `json:"multipleDataDirs"`
}

// withDefaults returns complete options, or every problem at once.
func (o Options) withDefaults() (Options, error) {
	var problems []error
	if !slices.Contains(Versions(), o.Version) {
		problems = append(problems, fmt.Errorf("version %q is not one of %v", o.Version, Versions()))
	}
	o.Flavour = orElse(o.Flavour, Default)
	o.Nodes = orElse(o.Nodes, 1)
	o.HeapMB = orElse(o.HeapMB, 640)
	o.ClusterName = orElse(o.ClusterName, "lab")
	o.MultipleDataDirs = orElse(o.MultipleDataDirs, 1)
	o.API.Limit = orElse(o.API.Limit, 30*time.Second)
	o.API.Delay = maps.Clone(o.API.Delay)
	o.YAML = maps.Clone(o.YAML)
	if o.Flavour != Default && o.Flavour != Latest {
		problems = append(problems, fmt.Errorf("flavour %q is neither %s nor %s", o.Flavour, Default, Latest))
	}
	if o.Flavour == Latest && o.Version[:min(2, len(o.Version))] != "5." {
		problems = append(problems, fmt.Errorf("flavour %s needs Cassandra 5.0, not %s", Latest, o.Version))
	}
	if o.Nodes < 1 || o.Nodes > 20 {
		problems = append(problems, fmt.Errorf("%d nodes: 1 to 20 can be had", o.Nodes))
	}
	if o.HeapMB < 256 {
		problems = append(problems, fmt.Errorf("heap of %d MB: 256 is the least", o.HeapMB))
	}
	if o.MultipleDataDirs < 1 {
		problems = append(problems, fmt.Errorf("%d data directories", o.MultipleDataDirs))
	}
	if o.Dir == "" {
		problems = append(problems, errors.New("no directory given"))
	} else if dir, err := filepath.Abs(o.Dir); err != nil {
		problems = append(problems, err)
	} else {
		o.Dir = dir
	}
	return o, errors.Join(problems...)
}

func orElse[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
