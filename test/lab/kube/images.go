package kube

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/casshook/casshook/test/lab/image"
	"github.com/casshook/casshook/test/lab/mgmtapi-standin/tree"
)

// Images of the lab. No registry has them: they are packed here, and loaded into containerd.
const (
	PauseImage   = "casshook.lab/pause:1"
	BusyboxImage = "casshook.lab/busybox:1"
	CoreDNSImage = "casshook.lab/coredns:1.14.7"
	// CassandraImages is the repository of the Cassandra images; the tag is the version.
	CassandraImages = "casshook.lab/cassandra"
	javaImage       = "casshook.lab/java:17"
)

// cassandraUser is the user of cass-operator's pods.
const cassandraUser = 999

// CassandraVersions are those that there is an image of.
func CassandraVersions() []string { return []string{"5.0.9", "4.1.10"} }

// recipe makes one image from sources that are known by a key.
type recipe struct {
	ref  string
	key  func() (string, error)
	make func(context.Context, *image.Store) (*image.Image, error)
}

func (l *Lab) recipes() []recipe {
	program := func(name string) func() (string, error) {
		return func() (string, error) {
			key, err := os.ReadFile(l.Program(name) + ".key")
			return string(key), err
		}
	}
	all := []recipe{
		{PauseImage, program("pause"), func(ctx context.Context, s *image.Store) (*image.Image, error) {
			return s.Pause(ctx, PauseImage, l.Program("pause"))
		}},
		{CoreDNSImage, program("coredns"), func(ctx context.Context, s *image.Store) (*image.Image, error) {
			return s.CoreDNS(ctx, CoreDNSImage, l.Program("coredns"))
		}},
		{BusyboxImage, func() (string, error) { return fileKey("/bin/busybox") }, func(ctx context.Context, s *image.Store) (*image.Image, error) {
			return s.Busybox(ctx, BusyboxImage, "/bin/busybox")
		}},
	}
	for _, version := range CassandraVersions() {
		ref := CassandraImages + ":" + version
		all = append(all, recipe{ref, func() (string, error) { return l.cassandraKey(version) },
			func(ctx context.Context, s *image.Store) (*image.Image, error) {
				return l.cassandraImage(ctx, s, ref, version)
			}})
	}
	return all
}

// fileKey tells a file from another by size and time, which is enough for a program of a package.
func fileKey(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %s", info.Size(), info.ModTime()), nil
}

// cassandraKey covers the stand-in's sources, and what fetches and configures Cassandra.
func (l *Lab) cassandraKey(version string) (string, error) {
	key, err := l.buildKey(build{sources: []string{"lab/mgmtapi-standin", "lab/cassandra", "lab/image"}})
	return version + " " + strings.Join(image.JavaPackages(), " ") + " " + key, err
}

// cassandraImage is a layer of Cassandra and the stand-in of the Management API over a Debian with Java.
func (l *Lab) cassandraImage(ctx context.Context, store *image.Store, ref, version string) (*image.Image, error) {
	base, err := store.Java(ctx, javaImage)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "casshook-cassandra-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := tree.Write(ctx, version, work); err != nil {
		return nil, err
	}
	var owners []image.Owner
	for _, dir := range []string{"opt/cassandra", "etc/cassandra", "var/lib/cassandra", "var/log/cassandra", "config"} {
		owners = append(owners, image.Owner{Path: dir, UID: cassandraUser, GID: cassandraUser})
	}
	layer, err := store.Layer(ctx, image.Tree{Dir: work, Owners: owners})
	if err != nil {
		return nil, err
	}
	return store.Write(ctx, ref, base, []*image.Layer{layer}, image.Config{
		Entrypoint: []string{"/usr/local/bin/mgmtapi-standin", "serve"},
		Env:        []string{"PATH=/opt/cassandra/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LAB_FAST_START=true"},
		User:       fmt.Sprintf("%d:%d", cassandraUser, cassandraUser), WorkingDir: "/",
	})
}

// packImages makes the images that are not there or were made from something else.
func (l *Lab) packImages(ctx context.Context) error {
	store, err := image.Open(l.images(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		return err
	}
	for _, r := range l.recipes() {
		key, err := r.key()
		if err != nil {
			return fmt.Errorf("image %s: %w", r.ref, err)
		}
		stamp := l.stamp(r.ref)
		if old, err := os.ReadFile(stamp); err == nil && sourceOf(string(old)) == key {
			continue
		}
		began := time.Now()
		l.Log("pack %s", r.ref)
		made, err := r.make(ctx, store)
		if err != nil {
			return fmt.Errorf("image %s: %w", r.ref, err)
		}
		if err := put(stamp, []byte(made.ID+"\n"+made.Path+"\n"+key), 0o644); err != nil {
			return err
		}
		l.Log("packed %s in %.0f s", r.ref, time.Since(began).Seconds())
	}
	return nil
}

// stamp is a file with an image's id, its archive's path, and the key of what it was made from.
func (l *Lab) stamp(ref string) string {
	return l.images("made", strings.NewReplacer("/", "_", ":", "_").Replace(ref))
}

func sourceOf(stamp string) string {
	parts := strings.SplitN(stamp, "\n", 3)
	return parts[len(parts)-1]
}

// loadImages gives containerd the images that it has not. What it was given is noted beside its data, and goes with it.
func (l *Lab) loadImages(ctx context.Context) error {
	if err := l.packImages(ctx); err != nil {
		return err
	}
	out, err := l.ctr(ctx, "images", "list", "--quiet")
	if err != nil {
		return err
	}
	have := lines(out)
	for _, r := range l.recipes() {
		stamp, err := os.ReadFile(l.stamp(r.ref))
		if err != nil {
			return fmt.Errorf("image %s: %w", r.ref, err)
		}
		parts := strings.SplitN(string(stamp), "\n", 3)
		id, path := parts[0], parts[1]
		loaded := l.data("containerd", "loaded", filepath.Base(l.stamp(r.ref)))
		if given, err := os.ReadFile(loaded); err == nil && string(given) == id && slices.Contains(have, r.ref) {
			continue
		}
		if err := l.LoadImage(ctx, path); err != nil {
			return err
		}
		if err := put(loaded, []byte(id), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// LoadImage gives containerd the images of a docker or OCI archive.
func (l *Lab) LoadImage(ctx context.Context, archive string) error {
	archive, err := filepath.Abs(archive)
	if err != nil {
		return err
	}
	l.Log("load %s", filepath.Base(archive))
	_, err = l.ctr(ctx, "images", "import", archive)
	return err
}
