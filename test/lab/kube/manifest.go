package kube

import (
	"context"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	operatorstandin "github.com/casshook/casshook/test/lab/operator-standin"
)

//go:embed manifests
var manifests embed.FS

// definitions applies the resource definitions, then the objects of storage and DNS.
func (l *Lab) definitions(ctx context.Context) error {
	for _, set := range []string{"definitions", "cluster"} {
		files, err := l.manifests(set)
		if err != nil {
			return err
		}
		dir := l.etc("manifests", set)
		if err := os.RemoveAll(dir); err != nil { // or what left the set would be applied again
			return fmt.Errorf("write manifests: %w", err)
		}
		sum := sha256.New()
		for _, name := range slices.Sorted(maps.Keys(files)) {
			fmt.Fprintf(sum, "%s %d\n%s", name, len(files[name]), files[name])
			if err := put(filepath.Join(dir, name), files[name], 0o644); err != nil {
				return err
			}
		}
		if err := l.apply(ctx, dir, fmt.Sprintf("%x\n", sum.Sum(nil))); err != nil {
			return err
		}
	}
	return nil
}

// manifests are the files of a set below manifests/; cass-operator's definition comes from its stand-in.
func (l *Lab) manifests(set string) (map[string][]byte, error) {
	files := map[string][]byte{}
	if set == "definitions" {
		files["cassandradatacenters.yaml"] = operatorstandin.Definition()
	}
	names, err := fs.Glob(manifests, "manifests/"+set+"/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := manifests.ReadFile(name)
		if err == nil && set == "cluster" {
			text, err = l.render(manifests, name)
		}
		if err != nil {
			return nil, err
		}
		files[filepath.Base(name)] = text
	}
	return files, nil
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
	return wait(ctx, patience, "the default service account", func(ctx context.Context) error {
		_, err := l.Kubectl(ctx, "-n", "default", "get", "serviceaccount", "default")
		return err
	})
}
