package kanister

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister/param"
)

// OutputMarker begins the JSON of an output on a line of a phase's log.
const OutputMarker = "###Phase-output###:"

// tailLines is how many of the last log lines the error of a failed pod carries.
const tailLines = 10

// Output is what follows the marker. The value must be a string.
type Output struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// outputs collects what a phase prints: the outputs and the last lines.
type outputs struct {
	values map[string]any
	tail   []string
	log    io.Writer
}

func newOutputs(log io.Writer) *outputs {
	return &outputs{values: map[string]any{}, log: log}
}

// line takes one line. Text before the marker is logged, an empty payload is
// ignored, a repeated key overwrites, and anything that is not exactly one JSON
// object with string values fails the phase.
func (o *outputs) line(text string) error {
	text = strings.TrimRight(text, "\r\n")
	o.tail = append(o.tail, text)
	if len(o.tail) > tailLines {
		o.tail = o.tail[1:]
	}
	before, payload, marked := strings.Cut(text, OutputMarker)
	if before != "" {
		fmt.Fprintln(o.log, before)
	}
	payload = strings.TrimSpace(payload)
	if !marked || payload == "" {
		return nil
	}
	var out Output
	if err := json.Unmarshal([]byte(payload), &out); err != nil {
		return param.Errorf("Failed to unmarshal key-value pair: %s", err)
	}
	o.values[out.Key] = out.Value
	return nil
}
