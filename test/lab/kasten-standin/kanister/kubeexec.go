package kanister

import (
	"context"
	"fmt"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister/param"
)

// kubeExec runs a command in a container that is there already.
func (c *Controller) kubeExec(ctx context.Context, in call) (map[string]any, error) {
	target := Exec{}
	var err error
	for name, into := range map[string]*string{"namespace": &target.Namespace, "pod": &target.Pod, "container": &target.Container} {
		if *into, err = text(in.args, name); err != nil {
			return nil, err
		}
	}
	if target.Command, err = list(in.args, "command"); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("exec in pod %s/%s: %w", target.Namespace, target.Pod, err)
	}
	stdout, stderr := &chunkWriter{outputs: newOutputs(c.log())}, &tailWriter{}
	if err := c.Streams.Exec(ctx, target, stdout, stderr); err != nil {
		return nil, param.Errorf("Failed to exec command in pod: %s.\nstdout: %s\nstderr: %s", err, lastLines(stdout.outputs.tail), stderr.tail())
	}
	return stdout.outputs.values, stdout.err
}
