package kube

import (
	"context"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

//go:embed manifests
var manifests embed.FS

// definitions applies manifests/: resource definitions first, then the objects of storage and DNS.
func (l *Lab) definitions(ctx context.Context) error {
	for _, set := range []string{"definitions", "cluster"} {
		dir := l.etc("manifests", set)
		sum := sha256.New()
		err := fs.WalkDir(manifests, "manifests/"+set, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" {
				return err
			}
			text, err := manifests.ReadFile(path)
			if err == nil && set == "cluster" {
				text, err = l.render(manifests, path)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(sum, "%s %d\n%s", path, len(text), text)
			return put(filepath.Join(dir, filepath.Base(path)), text, 0o644)
		})
		if err != nil {
			return err
		}
		if err := l.apply(ctx, dir, fmt.Sprintf("%x\n", sum.Sum(nil))); err != nil {
			return err
		}
	}
	return nil
}

// apply applies a directory unless exactly this was applied before. The stamp lies beside etcd's data and goes with it.
func (l *Lab) apply(ctx context.Context, dir, key string) error {
	stamp := filepath.Join(l.data("etcd"), "applied-"+filepath.Base(dir))
	if old, err := os.ReadFile(stamp); err == nil && string(old) == key {
		return nil
	}
	if _, err := l.Kubectl(ctx, "apply", "--server-side", "--force-conflicts", "-f", dir); err != nil {
		return err
	}
	if filepath.Base(dir) == "definitions" {
		if _, err := l.Kubectl(ctx, "wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"); err != nil {
			return err
		}
	}
	return put(stamp, []byte(key), 0o644)
}

// defaultAccount waits for the service account without which no pod starts in the default namespace.
func (l *Lab) defaultAccount(ctx context.Context) error {
	return wait(ctx, time.Minute, "the default service account", func(ctx context.Context) error {
		_, err := l.Kubectl(ctx, "-n", "default", "get", "serviceaccount", "default")
		return err
	})
}
