package wire

import (
	"io"
	"time"
)

// Listen reads from a stream of the other side, and calls silent when a read got nothing
// for as long as limit. Every byte counts: a long line may take longer than that.
func Listen(from io.Reader, limit time.Duration, silent func()) io.Reader {
	timer := time.AfterFunc(limit, silent)
	timer.Stop()
	return &listener{from, limit, timer}
}

type listener struct {
	from  io.Reader
	limit time.Duration
	timer *time.Timer
}

// Read implements io.Reader. Only time spent in it counts: a reader that is busy with
// what it has is not the other side's silence.
func (l *listener) Read(p []byte) (int, error) {
	l.timer.Reset(l.limit)
	defer l.timer.Stop()
	return l.from.Read(p)
}
