package ringtest

import (
	"fmt"

	"github.com/casshook/casshook/pkg/document"
)

// Move gives a node another token.
func (r *Ring) Move(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.nodes {
		if n.Name == name {
			n.token += "0"
		}
	}
}

// Join adds a node that is in nobody's list.
func (r *Ring) Join() {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := len(r.nodes) + len(r.joined) + 1
	r.joined = append(r.joined, document.Member{HostID: fmt.Sprintf("00000000-0000-0000-0000-%012d", i), Address: fmt.Sprintf("10.0.0.%d", i),
		Datacenter: "dc1", Rack: fmt.Sprintf("r%d", i), Tokens: []string{fmt.Sprint(i)}, Release: Release})
}

// Replace has a node come up as another one, with its token.
func (r *Ring) Replace(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.nodes {
		if n.Name == name {
			n.hostID = "0000000a" + n.hostID[8:]
		}
	}
}

// Down has all nodes hold one for dead, whose agent and Cassandra still answer.
func (r *Ring) Down(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.nodes {
		if n.Name == name {
			r.down[n.hostID] = true
		}
	}
}
