package cleaner

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// jobLog is what was read of a cleaner's log. Kubernetes has both streams in one. The
// log is short, so it is read from its beginning whenever it is read again, and what was
// seen is passed over: no clock has to tell where.
type jobLog struct {
	tell func(string)
	// seen is the number of whole lines that were told.
	seen int
	// last is the last line that was told.
	last string
	// result is what the cleaner printed in the end.
	result *wire.CleanResult
}

// take reads a log. A line without an end is one only where the log has ended.
func (l *jobLog) take(r io.Reader, ended bool) error {
	lines := bufio.NewReader(r)
	for n := 0; ; n++ {
		line, err := lines.ReadString('\n')
		whole := err == nil || ended && errors.Is(err, io.EOF)
		if whole && n >= l.seen && (err == nil || line != "") {
			l.seen = n + 1
			l.line(strings.TrimSpace(line))
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (l *jobLog) line(line string) {
	if result := resultIn(line); result != nil {
		l.result = result
		return
	}
	if line != "" {
		l.last = strings.TrimPrefix(line, "casshook-agent: ")
		l.tell(l.last)
	}
}

// resultIn is the result that a line is; nil for any other.
func resultIn(line string) *wire.CleanResult {
	if !strings.HasPrefix(line, "{") {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(line)))
	decoder.DisallowUnknownFields()
	result := &wire.CleanResult{}
	if decoder.Decode(result) != nil || decoder.More() || result.State == "" {
		return nil
	}
	return result
}

// followFor is how long a log is followed at one go. The stream of a node that is gone
// may be silent for ever: the pod is looked at in between.
const followFor = 30 * time.Second

// read reads the log of a pod: until it ends or is cut or followFor is over, or what
// there is of it when it has ended. It tells whether there was a log at all.
func (r *Run) read(ctx context.Context, pod *corev1.Pod, ended bool) (opened bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, followFor)
	defer cancel()
	stream, err := r.Client.Typed.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: objects.CleanerContainer, Follow: !ended}).Stream(ctx)
	if err != nil {
		return false, err
	}
	defer stream.Close()
	return true, r.log.take(stream, ended)
}
