package image

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Layer is a tar file in the Store.
type Layer struct {
	hash v1.Hash
	size int64
	path string
}

var _ v1.Layer = (*Layer)(nil)

// Digest implements v1.Layer.
func (l *Layer) Digest() (v1.Hash, error) { return l.hash, nil }

// DiffID implements v1.Layer: the same, since nothing is compressed.
func (l *Layer) DiffID() (v1.Hash, error) { return l.hash, nil }

// Compressed implements v1.Layer.
func (l *Layer) Compressed() (io.ReadCloser, error) { return os.Open(l.path) }

// Uncompressed implements v1.Layer.
func (l *Layer) Uncompressed() (io.ReadCloser, error) { return os.Open(l.path) }

// Size implements v1.Layer.
func (l *Layer) Size() (int64, error) { return l.size, nil }

// MediaType implements v1.Layer.
func (l *Layer) MediaType() (types.MediaType, error) { return types.DockerUncompressedLayer, nil }

// Layer packs a directory, unless it did so before and nothing changed since. Whether something changed is told by names,
// modes, sizes, inodes and times of change, without reading the files.
func (s *Store) Layer(ctx context.Context, tree Tree) (*Layer, error) {
	entries, key, err := tree.settled(ctx)
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", tree.Dir, err)
	}
	return s.once(tree.Dir, key, func() (*Layer, error) {
		l, err := s.pack(ctx, tree, entries)
		if err != nil {
			return nil, err
		}
		if after, err := tree.entries(ctx); err != nil || tree.key(after) != key {
			return nil, errors.Join(errors.New("it changed meanwhile"), err)
		}
		return l, nil
	})
}

// once makes a layer unless there is one of the same key.
func (s *Store) once(what, key string, make func() (*Layer, error)) (*Layer, error) {
	if l, err := s.known(key); err == nil {
		s.reused.Add(1)
		s.log.Debug("layer is there already", "of", what, "digest", l.hash)
		return l, nil
	}
	began := time.Now()
	l, err := make()
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", what, err)
	}
	err = replace(s.keyFile(key), func(f *os.File) error {
		_, err := fmt.Fprintf(f, "%s %d\n", l.hash, l.size)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("note the layer of %s: %w", what, err)
	}
	s.packed.Add(1)
	s.log.Info("packed layer", "of", what, "bytes", l.size, "took", took(began))
	return l, nil
}

func (s *Store) keyFile(key string) string { return filepath.Join(s.dir, "keys", key) }

func (s *Store) layerFile(hash v1.Hash) string {
	return filepath.Join(s.dir, "layers", hash.Hex+".tar")
}

// known is the layer that came of an input before, if it is still there and whole.
func (s *Store) known(key string) (*Layer, error) {
	text, err := os.ReadFile(s.keyFile(key))
	if err != nil {
		return nil, err
	}
	var digest string
	l := &Layer{}
	if _, err := fmt.Sscan(string(text), &digest, &l.size); err != nil {
		return nil, err
	}
	if l.hash, err = v1.NewHash(digest); err != nil {
		return nil, err
	}
	l.path = s.layerFile(l.hash)
	info, err := os.Stat(l.path)
	if err != nil {
		return nil, err
	}
	if info.Size() != l.size {
		return nil, fmt.Errorf("%s has %d bytes, not %d", l.path, info.Size(), l.size)
	}
	return l, nil
}

// pack writes the tar file under a passing name, since its digest is known at the end only.
func (s *Store) pack(ctx context.Context, tree Tree, entries []entry) (*Layer, error) {
	f, err := os.CreateTemp(filepath.Join(s.dir, "layers"), ".new-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	sum := sha256.New()
	buffered := bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<20)
	err = writeTar(&cancellable{ctx: ctx, w: buffered}, tree, entries)
	if err := errors.Join(err, buffered.Flush(), f.Chmod(0o644)); err != nil {
		_ = f.Close()
		return nil, err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	l := &Layer{hash: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}, size: size}
	l.path = s.layerFile(l.hash)
	return l, os.Rename(f.Name(), l.path)
}
