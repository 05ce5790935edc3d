package backup

import "context"

// checkStorage refuses nodes whose files are not all on their volumes.
func (b *before) checkStorage(ctx context.Context) error {
	asked, err := b.AskNodes(ctx)
	if err != nil {
		return err
	}
	b.warnings, err = b.CheckStorage(ctx, asked, true)
	return err
}
