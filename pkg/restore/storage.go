package restore

import "context"

// checkStorage refuses nodes whose data directories are not those that casshook knows, and
// links below them, which no restore follows.
func (r *run) checkStorage(ctx context.Context) error {
	asked, err := r.AskNodes(ctx)
	if err != nil {
		return err
	}
	r.warnings, err = r.CheckStorage(ctx, asked, false)
	return err
}
