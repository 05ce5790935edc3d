package main

import (
	"errors"
	"os"
	"path/filepath"
)

// place is the variable with the directory that the executor put the agent into.
const place = "CASSHOOK_AGENT_PLACE"

// leavePlace removes the agent's own file and directory: the program runs on without.
func leavePlace(dir string) {
	self, err := os.Executable()
	if dir == "" || err != nil || filepath.Dir(self) != filepath.Clean(dir) {
		return
	}
	_ = errors.Join(os.Remove(self), os.Remove(dir)) // what stays is in nobody's way
}
