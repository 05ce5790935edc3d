package ring

import "github.com/casshook/casshook/pkg/document"

// ViewBuilds is what nodes say of views, by the host ids of the nodes: true where the
// node has built its part, false where it is at it.
type ViewBuilds map[document.TableName]map[string]bool

// Set records what a node says of a view.
func (b ViewBuilds) Set(view document.TableName, host string, built bool) {
	if b[view] == nil {
		b[view] = map[string]bool{}
	}
	b[view][host] = built
}

// Built tells whether all members say that a view is built.
func (b ViewBuilds) Built(view document.TableName, members []document.Member) bool {
	for _, m := range members {
		if !b[view][m.HostID] {
			return false
		}
	}
	return true
}

// Building tells whether a member is at it, or none knows the view yet. Members that
// say nothing count as done: not all that joined later do say it. What nodes said
// that are gone counts for nothing.
func (b ViewBuilds) Building(view document.TableName, members []document.Member) bool {
	known := false
	for _, m := range members {
		built, says := b[view][m.HostID]
		if says && !built {
			return true
		}
		known = known || says
	}
	return !known
}
