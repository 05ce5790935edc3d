// Package report shows people and machines what happened: steps as they run,
// tables, JSON and YAML.
package report

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/casshook/casshook/pkg/escape"
	"github.com/casshook/casshook/pkg/flow"
)

// Steps prints the steps of a flow as they run, a line each, with progress lines
// at most every so often so that a log stays readable.
type Steps struct {
	mu   sync.Mutex
	w    io.Writer
	last time.Time
	now  func() time.Time
}

var _ flow.Observer = (*Steps)(nil)

// progressEvery is the least time between two progress lines.
const progressEvery = 2 * time.Second

// NewSteps prints to w.
func NewSteps(w io.Writer) *Steps { return &Steps{w: w, now: time.Now} }

// Begin implements flow.Observer.
func (s *Steps) Begin(string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = s.now()
}

// End implements flow.Observer.
func (s *Steps) End(step string, took time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mark := "✓"
	if err != nil {
		mark = "✗"
	}
	fmt.Fprintf(s.w, "%s %s (%s)\n", mark, escape.Text(step), Duration(took))
}

// Progress implements flow.Observer.
func (s *Steps) Progress(message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); now.Sub(s.last) >= progressEvery {
		s.last = now
		fmt.Fprintf(s.w, "  … %s\n", escape.Text(message))
	}
}

// Duration is a duration that people read at a glance.
func Duration(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
