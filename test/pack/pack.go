package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

type options struct {
	name, version, stage, out string
	architectures             []string
}

// user is neither root nor anybody; the program works as root and as every other as well.
const user = "65532:65532"

// entrypoint is where the program lies in the image; the agents are beside it, in agents/.
const entrypoint = "/casshook/casshook"

// pack writes the archives and says, one line each, what they are.
func pack(o options) ([]string, error) {
	tag, err := name.NewTag(o.name + ":" + o.version)
	if err != nil {
		return nil, fmt.Errorf("image name: %w", err)
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return nil, fmt.Errorf("create output directory: %w", err)
	}
	base := filepath.Join(o.out, path.Base(o.name)+"-"+o.version)
	var written []string
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range o.architectures {
		img, err := image(filepath.Join(o.stage, arch), arch)
		if err != nil {
			return nil, fmt.Errorf("image for %s: %w", arch, err)
		}
		file := base + "-" + arch + ".tar"
		if err := tarball.WriteToFile(file, tag, img); err != nil {
			return nil, fmt.Errorf("write %s: %w", file, err)
		}
		digest, err := img.Digest()
		if err != nil {
			return nil, fmt.Errorf("digest for %s: %w", arch, err)
		}
		written = append(written, fmt.Sprintf("%s  docker archive  linux/%s  %s", file, arch, digest))
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	file := base + ".oci.tar"
	digest, err := writeOCI(file, tag, index)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", file, err)
	}
	return append(written, fmt.Sprintf("%s  OCI archive     all          %s", file, digest)), nil
}

// image is one layer over nothing.
func image(root, arch string) (v1.Image, error) {
	content, err := layer(root)
	if err != nil {
		return nil, err
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), l)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Architecture, config.OS = arch, "linux"
	config.Config = v1.Config{Entrypoint: []string{entrypoint}, User: user, Env: []string{"PATH=" + path.Dir(entrypoint)}, WorkingDir: "/"}
	return mutate.ConfigFile(img, config)
}

// layer is a tar of a directory, in the order of names, everything owned by root at the beginning of time. /tmp is added:
// the one directory that the program writes to.
func layer(root string) ([]byte, error) {
	if _, err := os.Stat(filepath.Join(root, entrypoint)); err != nil {
		return nil, fmt.Errorf("the program is not staged: %w", err)
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || file == root {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		return add(w, file, filepath.ToSlash(rel), entry)
	})
	tmp := w.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR})
	return out.Bytes(), errors.Join(err, tmp, w.Close())
}

func add(w *tar.Writer, file, rel string, entry fs.DirEntry) error {
	header := &tar.Header{Name: rel, Typeflag: tar.TypeReg, Mode: 0o755, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	if entry.IsDir() {
		header.Name, header.Typeflag = rel+"/", tar.TypeDir
		return w.WriteHeader(header)
	}
	if !entry.Type().IsRegular() {
		return fmt.Errorf("%s is neither a file nor a directory", file)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	header.Size = int64(len(content))
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err = w.Write(content)
	return err
}

// writeOCI writes an OCI layout as one file, named by the tag.
func writeOCI(file string, tag name.Tag, index v1.ImageIndex) (v1.Hash, error) {
	digest, err := index.Digest()
	if err != nil {
		return digest, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(file), "oci-")
	if err != nil {
		return digest, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l, err := layout.Write(dir, empty.Index)
	if err != nil {
		return digest, err
	}
	names := map[string]string{"org.opencontainers.image.ref.name": tag.TagStr(), "io.containerd.image.name": tag.Name()}
	if err := l.AppendIndex(index, layout.WithAnnotations(names)); err != nil {
		return digest, err
	}
	return digest, archive(dir, file)
}

// archive is a tar of a flat set of files and directories.
func archive(dir, file string) (err error) {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := tar.NewWriter(out)
	err = filepath.WalkDir(dir, func(p string, entry fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		return addPlain(w, p, filepath.ToSlash(rel), entry)
	})
	return errors.Join(err, w.Close())
}

func addPlain(w *tar.Writer, file, rel string, entry fs.DirEntry) error {
	if entry.IsDir() {
		return w.WriteHeader(&tar.Header{Name: rel + "/", Typeflag: tar.TypeDir, Mode: 0o755, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR})
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: rel, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}); err != nil {
		return err
	}
	_, err = w.Write(content)
	return err
}
