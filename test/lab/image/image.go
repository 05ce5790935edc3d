// Package image packs container images without a container engine: layers from directories, images from layers, as archives
// that containerd takes with `ctr -n k8s.io images import`.
//
// The same input gives the same bytes, whoever packs it and when: owners are set by rule, times are one constant, entries are
// sorted, nothing is compressed. So an image is known by its ID, and nothing is packed, written or imported twice. Everything is
// kept in one directory, the Store:
//
//	layers/DIGEST.tar   layers, named by the SHA-256 of their bytes
//	keys/KEY            which layer came of which input
//	images/REF.tar      one archive for each reference
//	roots/KEY/          root file systems of Debian, see Root
//
// Several processes may use one Store at once: files appear whole or not at all. Extended attributes, sockets and access times
// are not packed.
package image

import (
	"archive/tar"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Store keeps layers and images in a directory.
type Store struct {
	dir string
	log *slog.Logger

	packed, reused, written, kept atomic.Int64
}

// Counts says what a Store did since it was opened.
type Counts struct {
	// Layers that were packed, and those that were there already.
	Packed, Reused int64
	// Archives that were written, and those that were there already.
	Written, Kept int64
}

// Open returns the Store in a directory, which is made if it is not there. What is packed is told to log.
func Open(dir string, log *slog.Logger) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open image store: %w", err)
	}
	for _, sub := range []string{"layers", "keys", "images", "roots"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, fmt.Errorf("open image store: %w", err)
		}
	}
	return &Store{dir: dir, log: log}, nil
}

// Counts of what was done so far.
func (s *Store) Counts() Counts {
	return Counts{Packed: s.packed.Load(), Reused: s.reused.Load(), Written: s.written.Load(), Kept: s.kept.Load()}
}

// Config is how a container of the image is started. Fields that are empty are those of the base.
type Config struct {
	Entrypoint, Cmd []string
	// Env holds NAME=VALUE; a name that the base has is given the new value. An image without a base has a PATH.
	Env        []string
	WorkingDir string
	// User is UID or UID:GID; empty is root.
	User string
	// Architecture is this machine's when empty.
	Architecture string
}

// Image is an archive in the Store.
type Image struct {
	// Ref is the full reference with registry and tag, as casshook.lab/busybox:1.
	Ref string
	// ID is the digest of the image's configuration, sha256:HEX. The kubelet's side of containerd calls the image by it: it
	// is listed as a name of its own beside Ref, and as the image ID in a pod's status.
	ID string
	// Path of the archive.
	Path string

	image v1.Image
}

const (
	defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	// maker stands in the history of images.
	maker = "casshook"
)

// epoch is the time of everything that is packed.
func epoch() time.Time { return time.Unix(1_700_000_000, 0).UTC() }

// Write puts layers on a base, nil for none, and writes the archive unless the same one is there already. A layer must not have
// files below a path that is a symbolic link in the layers under it: it would replace the link by a directory.
func (s *Store) Write(ctx context.Context, ref string, base *Image, layers []*Layer, config Config) (*Image, error) {
	tag, err := name.NewTag(ref, name.StrictValidation)
	if err != nil {
		return nil, fmt.Errorf("write image: %w: a reference has a registry and a tag, as casshook.lab/busybox:1", err)
	}
	image, err := assemble(base, layers, config)
	if err != nil {
		return nil, fmt.Errorf("write image %s: %w", ref, err)
	}
	id, err := image.ConfigName()
	if err != nil {
		return nil, fmt.Errorf("write image %s: %w", ref, err)
	}
	made := &Image{Ref: tag.String(), ID: id.String(), Path: filepath.Join(s.dir, "images", fileName(tag.String())+".tar"), image: image}
	if have, err := ReadID(made.Path); err == nil && have == made.ID {
		s.kept.Add(1)
		s.log.Debug("image is there already", "ref", ref, "id", made.ID)
		return made, nil
	}
	began := time.Now()
	err = replace(made.Path, func(f *os.File) error {
		return tarball.Write(tag, image, &cancellable{ctx: ctx, w: f})
	})
	if err != nil {
		return nil, fmt.Errorf("write image %s: %w", ref, err)
	}
	s.written.Add(1)
	s.log.Info("wrote image", "ref", ref, "id", made.ID, "took", took(began))
	return made, nil
}

func assemble(base *Image, layers []*Layer, config Config) (v1.Image, error) {
	image := empty.Image
	if base != nil {
		image = base.image
	}
	var all []v1.Layer
	for _, l := range layers {
		if l == nil {
			return nil, errors.New("a layer is nil")
		}
		all = append(all, l)
	}
	return Assemble(image, all, config)
}

// Assemble puts layers on a base. The same input gives the same image.
func Assemble(base v1.Image, layers []v1.Layer, config Config) (v1.Image, error) {
	var added []mutate.Addendum
	for _, l := range layers {
		added = append(added, mutate.Addendum{Layer: l, History: v1.History{Created: v1.Time{Time: epoch()}, CreatedBy: maker}})
	}
	image, err := mutate.Append(base, added...)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = "linux", cmp.Or(config.Architecture, runtime.GOARCH), v1.Time{Time: epoch()}
	config.apply(&file.Config)
	return mutate.ConfigFile(image, file)
}

func (c Config) apply(to *v1.Config) {
	if len(to.Env) == 0 {
		to.Env = []string{defaultPath}
	}
	for _, v := range c.Env {
		name, _, _ := strings.Cut(v, "=")
		to.Env = append(slices.DeleteFunc(to.Env, func(old string) bool { return strings.HasPrefix(old, name+"=") }), v)
	}
	if c.Entrypoint != nil {
		to.Entrypoint, to.Cmd = c.Entrypoint, nil // a command of the base was meant for its entrypoint
	}
	if c.Cmd != nil {
		to.Cmd = c.Cmd
	}
	if c.WorkingDir != "" {
		to.WorkingDir = c.WorkingDir
	}
	if c.User != "" {
		to.User = c.User
	}
}

// ReadID says which image an archive holds: the digest of its configuration, see Image.ID. It does not read the layers.
func ReadID(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read image: %w", err)
	}
	defer func() { _ = f.Close() }()
	for r := tar.NewReader(f); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read image %s: it has no manifest.json", path)
		}
		if err != nil {
			return "", fmt.Errorf("read image %s: %w", path, err)
		}
		if header.Name == "manifest.json" {
			return parseManifest(path, r)
		}
	}
}

func parseManifest(path string, r io.Reader) (string, error) {
	var manifest tarball.Manifest
	if err := json.NewDecoder(r).Decode(&manifest); err != nil {
		return "", fmt.Errorf("read manifest of %s: %w", path, err)
	}
	if len(manifest) != 1 {
		return "", fmt.Errorf("read manifest of %s: %d images, not one", path, len(manifest))
	}
	id, err := v1.NewHash(manifest[0].Config)
	if err != nil {
		return "", fmt.Errorf("read manifest of %s: %w", path, err)
	}
	return id.String(), nil
}

// fileName is a reference without slashes and colons.
func fileName(ref string) string { return strings.NewReplacer("/", "_", ":", "_").Replace(ref) }

// replace writes a file beside its place and renames it, so that readers see the old or the new one, whole.
func replace(path string, write func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	if err := errors.Join(write(f), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// cancellable fails once its context has ended: packing hundreds of megabytes takes seconds.
type cancellable struct {
	ctx context.Context
	w   io.Writer
}

func (c *cancellable) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

func took(began time.Time) string { return time.Since(began).Round(time.Millisecond).String() }

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
