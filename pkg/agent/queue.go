package agent

import (
	"errors"
	"sync"

	"github.com/casshook/casshook/pkg/agent/wire"
)

// maxQueued bounds the requests that wait: an executor has one that runs and one
// that it sent after it gave that up, so more are a fault.
const maxQueued = 64

// queue holds the requests that wait while one runs. The reader never blocks on
// it, so that pings and the end of stdin are noticed whatever runs.
type queue struct {
	mu      sync.Mutex
	waiting []wire.Request
	// overtaken is closed when a request comes while one runs.
	overtaken chan struct{}
	// arrived holds a token while the queue may be not empty.
	arrived chan struct{}
}

func newQueue() *queue { return &queue{arrived: make(chan struct{}, 1)} }

func (q *queue) push(r wire.Request) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == maxQueued {
		return errors.New("too many requests at once from the executor")
	}
	q.waiting = append(q.waiting, r)
	q.signal()
	return nil
}

// signal is called with the lock held.
func (q *queue) signal() {
	if q.overtaken != nil {
		closeOnce(q.overtaken)
	}
	select {
	case q.arrived <- struct{}{}:
	default:
	}
}

func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// pop takes the next request, with a channel that is closed when another comes
// before done is called; ok is false where none waits.
func (q *queue) pop() (r wire.Request, overtaken <-chan struct{}, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return r, nil, false
	}
	r, q.waiting = q.waiting[0], q.waiting[1:]
	q.overtaken = make(chan struct{})
	if len(q.waiting) > 0 {
		q.signal()
	}
	return r, q.overtaken, true
}

// done says that the request taken last was answered.
func (q *queue) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.overtaken = nil
}
