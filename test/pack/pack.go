package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/casshook/casshook/test/lab/image"
)

type options struct {
	name, version, stage, out string
	architectures             []string
}

// user is neither root nor anybody; the program works as root and as every other as well.
const user = "65532:65532"

// entrypoint is where the program lies in the image; the agents are beside it, in agents/. /tmp is the one directory that the program
// writes to.
const entrypoint = "/casshook/casshook"

// pack writes the archives and says, one line each, what they are.
func pack(ctx context.Context, o options) ([]string, error) {
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
		img, err := build(ctx, filepath.Join(o.stage, arch), arch)
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
	digest, err := writeOCI(ctx, file, tag, index)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", file, err)
	}
	return append(written, fmt.Sprintf("%s  OCI archive     all          %s", file, digest)), nil
}

// build is one layer over nothing.
func build(ctx context.Context, root, arch string) (v1.Image, error) {
	if _, err := os.Stat(filepath.Join(root, entrypoint)); err != nil {
		return nil, fmt.Errorf("the program is not staged: %w", err)
	}
	var content bytes.Buffer
	if err := image.WriteTar(ctx, &content, image.Tree{Dir: root, Public: true}); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil }
	layer, err := tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	return image.Assemble(base, []v1.Layer{layer}, image.Config{
		Entrypoint: []string{entrypoint}, User: user, Env: []string{"PATH=" + path.Dir(entrypoint)}, WorkingDir: "/", Architecture: arch})
}

// writeOCI writes an OCI layout as one file, named by the tag.
func writeOCI(ctx context.Context, file string, tag name.Tag, index v1.ImageIndex) (v1.Hash, error) {
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
	out, err := os.Create(file)
	if err != nil {
		return digest, err
	}
	return digest, errors.Join(image.WriteTar(ctx, out, image.Tree{Dir: dir, Public: true}), out.Close())
}
