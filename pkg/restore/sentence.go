package restore

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/casshook/casshook/pkg/ring"
)

// sentence is one sentence about several volumes.
type sentence struct {
	text string
	errs []error
}

// Error implements error.
func (t *sentence) Error() string { return t.text }

// Unwrap gives the causes.
func (t *sentence) Unwrap() []error { return t.errs }

// sayOnce joins the errors of volumes; what several of them have alike is said once, with all their names.
func sayOnce(nodes []ring.StoppedNode, errs []error) error {
	var said []string
	at := map[string][]int{}
	for i, err := range errs {
		if err == nil {
			continue
		}
		text := plainOf(nodes[i], err)
		if !slices.Contains(said, text) {
			said = append(said, text)
		}
		at[text] = append(at[text], i)
	}
	var problems []error
	for _, text := range said {
		problems = append(problems, about(nodes, errs, at[text], text))
	}
	return errors.Join(problems...)
}

func about(nodes []ring.StoppedNode, errs []error, which []int, text string) error {
	if len(which) == 1 {
		return fmt.Errorf("node %s: %w", nodes[which[0]].Name, errs[which[0]])
	}
	t := &sentence{}
	var names, volumes []string
	for _, i := range which {
		names, volumes, t.errs = append(names, nodes[i].Name), append(volumes, nodes[i].Volume), append(t.errs, errs[i])
	}
	t.text = fmt.Sprintf("nodes %s (volumes %s): %s", strings.Join(names, ", "), strings.Join(volumes, ", "), text)
	return t
}

// plainOf is what an error says without the names of its own node and volume.
func plainOf(n ring.StoppedNode, err error) string {
	return strings.TrimPrefix(err.Error(), fmt.Sprintf("volume %s of node %s: ", n.Volume, n.Name))
}
