package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// skeleton makes what has to be there before packages are unpacked: the links that a merged /usr is made of.
func skeleton(root string) error {
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.MkdirAll(filepath.Join(root, "usr", dir), 0o755); err != nil {
			return err
		}
		if err := os.Symlink("usr/"+dir, filepath.Join(root, dir)); err != nil {
			return err
		}
	}
	return os.Chmod(root, 0o755)
}

// finish does what the scripts of the packages would have done, as far as a pod can tell.
func finish(ctx context.Context, root string) error {
	for _, step := range []func(string) error{removeDocs, makeDirs, writeFiles, linkAlternatives, bundleCertificates} {
		if err := step(root); err != nil {
			return err
		}
	}
	if err := run(command(ctx, "ldconfig", "-r", root)); err != nil {
		return err
	}
	// It holds inodes and times of this machine.
	return os.RemoveAll(filepath.Join(root, "var/cache/ldconfig"))
}

// removeDocs removes what nobody reads in a pod.
func removeDocs(root string) error {
	for _, dir := range []string{
		"usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian", "usr/share/i18n", "usr/share/zoneinfo/right",
		"var/cache/apt", "var/cache/debconf",
	} {
		if err := os.RemoveAll(filepath.Join(root, dir)); err != nil {
			return err
		}
	}
	return nil
}

func makeDirs(root string) error {
	for _, dir := range []string{"proc", "sys", "dev", "run", "root", "etc", "tmp", "var/tmp", "opt/cassandra"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	return errors.Join(os.Chmod(filepath.Join(root, "tmp"), 0o777|fs.ModeSticky), os.Chmod(filepath.Join(root, "var/tmp"), 0o777|fs.ModeSticky))
}

func writeFiles(root string) error {
	for name, text := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/bash\n" +
			fmt.Sprintf("cassandra:x:%[1]d:%[1]d::/opt/cassandra:/bin/bash\n", CassandraUser) +
			"nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
		"etc/group":         fmt.Sprintf("root:x:0:\ncassandra:x:%d:\nnogroup:x:65534:\n", CassandraUser),
		"etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// linkAlternatives gives the programs their plain names: awk, and those of Java.
func linkAlternatives(root string) error {
	bin := filepath.Join(root, "usr/bin")
	if executable(filepath.Join(bin, "mawk")) {
		if err := relink("mawk", filepath.Join(bin, "awk")); err != nil {
			return err
		}
	}
	programs, err := filepath.Glob(filepath.Join(root, "usr/lib/jvm/java-*-openjdk-*/bin/*"))
	if err != nil {
		return err
	}
	for _, p := range programs {
		if err := relink(strings.TrimPrefix(p, root), filepath.Join(bin, filepath.Base(p))); err != nil {
			return err
		}
	}
	return nil
}

func relink(target, path string) error {
	if err := os.Remove(path); err != nil && !missing(err) {
		return err
	}
	return os.Symlink(target, path)
}

// bundleCertificates makes the one file that curl reads. Java's own trust store is not made: nothing in the lab leaves it.
func bundleCertificates(root string) error {
	var files []string
	err := filepath.WalkDir(filepath.Join(root, "usr/share/ca-certificates"), func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".crt") {
			files = append(files, path)
		}
		return err
	})
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	slices.Sort(files)
	var bundle bytes.Buffer
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		bundle.Write(bytes.TrimRight(text, "\n"))
		bundle.WriteByte('\n')
	}
	dir := filepath.Join(root, "etc/ssl/certs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "ca-certificates.crt"), bundle.Bytes(), 0o644)
}
