package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// followPause is how often Follow looks.
const followPause = 200 * time.Millisecond

// Follow writes what is in a file and what comes to it, until ctx is done. The file may appear later, be replaced, or be
// cut to nothing.
func Follow(ctx context.Context, path string, out io.Writer) error {
	var file *os.File
	defer func() {
		if file != nil {
			_ = file.Close()
		}
	}()
	for {
		next, err := reopen(file, path)
		if err != nil {
			return err
		}
		if file = next; file != nil {
			if _, err := io.Copy(out, file); err != nil {
				return fmt.Errorf("copy %s: %w", path, err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followPause):
		}
	}
}

// reopen returns the file that is at the path now, and the same one as before while it only grew.
func reopen(file *os.File, path string) (*os.File, error) {
	now, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return file, nil
	}
	if err != nil {
		return file, fmt.Errorf("follow: %w", err)
	}
	if file != nil {
		before, err := file.Stat()
		if err != nil {
			return file, fmt.Errorf("follow: %w", err)
		}
		at, err := file.Seek(0, io.SeekCurrent)
		if err != nil {
			return file, fmt.Errorf("follow: %w", err)
		}
		if os.SameFile(before, now) && now.Size() >= at {
			return file, nil
		}
		_ = file.Close()
	}
	next, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("follow: %w", err)
	}
	return next, nil
}
