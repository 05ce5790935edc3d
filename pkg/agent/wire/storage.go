package wire

import "github.com/casshook/casshook/pkg/document"

// StorageArgs are what Cassandra says of where its files are. The agent compares it with
// what it was told.
type StorageArgs struct {
	// Unknown says why Cassandra could not be asked; the directories are empty then.
	Unknown string `json:"unknown,omitempty"`
	// DataDirs and SystemDir are data_file_directories and
	// local_system_data_file_directory, as Cassandra spells them.
	DataDirs  []string `json:"dataDirs,omitempty"`
	SystemDir string   `json:"systemDir,omitempty"`
	// Tables of the ring.
	Tables []document.TableRef `json:"tables"`
	// OnVolume also asks that a snapshot of the volume has all data directories in it.
	OnVolume bool `json:"onVolume,omitempty"`
}

// StorageResult says what is wrong with the places of files, and what could not be
// compared.
type StorageResult struct {
	Problems    []string `json:"problems,omitempty"`
	NotCompared []string `json:"notCompared,omitempty"`
}
