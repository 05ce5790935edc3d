package image

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Java writes an image with Java 17, a shell and the usual tools, in which the user cassandra is 999:999.
func (s *Store) Java(ctx context.Context, ref string) (*Image, error) {
	root, err := s.Root(ctx, JavaPackages())
	if err != nil {
		return nil, err
	}
	layer, err := s.Layer(ctx, Tree{Dir: root, Owners: []Owner{{Path: "opt/cassandra", UID: CassandraUser, GID: CassandraUser}}})
	if err != nil {
		return nil, err
	}
	return s.Write(ctx, ref, nil, []*Layer{layer}, Config{Cmd: []string{"/bin/bash"}})
}

// Busybox writes an image of a static busybox, as /bin/busybox of Debian's package busybox-static, with a link for each of its
// programs. It knows no names of users but root, and no DNS over TLS or NSS: a static program has none.
func (s *Store) Busybox(ctx context.Context, ref, binary string) (*Image, error) {
	if err := checkStatic(binary); err != nil {
		return nil, fmt.Errorf("make busybox image: %w (Debian: busybox-static)", err)
	}
	layer, err := s.around(ctx, binary, "busybox 1", func(root string) error {
		out, err := exec.CommandContext(ctx, binary, "--list").Output()
		if err != nil {
			return fmt.Errorf("list programs of %s: %w", binary, err)
		}
		return errors.Join(copyProgram(binary, filepath.Join(root, "bin/busybox")), fillBusybox(root, strings.Fields(string(out))))
	})
	if err != nil {
		return nil, err
	}
	return s.Write(ctx, ref, nil, []*Layer{layer}, Config{Cmd: []string{"/bin/sh"}})
}

func fillBusybox(root string, programs []string) error {
	for _, p := range programs {
		if p == "busybox" {
			continue
		}
		if p != filepath.Base(p) {
			return fmt.Errorf("%q is not the name of a program", p)
		}
		if err := os.Symlink("busybox", filepath.Join(root, "bin", p)); err != nil {
			return err
		}
	}
	for _, dir := range []string{"usr", "etc", "root", "tmp"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	return errors.Join(
		os.Chmod(filepath.Join(root, "tmp"), 0o777|os.ModeSticky),
		os.Symlink("bin", filepath.Join(root, "sbin")),
		os.Symlink("../bin", filepath.Join(root, "usr/bin")),
		os.Symlink("../bin", filepath.Join(root, "usr/sbin")),
		os.WriteFile(filepath.Join(root, "etc/passwd"), []byte("root:x:0:0:root:/root:/bin/sh\n"), 0o644),
		os.WriteFile(filepath.Join(root, "etc/group"), []byte("root:x:0:\n"), 0o644),
	)
}

// Pause writes the image of a pod's first process, from the program made of test/lab/kube/modules/pause.
func (s *Store) Pause(ctx context.Context, ref, binary string) (*Image, error) {
	return s.Program(ctx, ref, binary, "pause")
}

// CoreDNS writes an image from a coredns program.
func (s *Store) CoreDNS(ctx context.Context, ref, binary string) (*Image, error) {
	return s.Program(ctx, ref, binary, "coredns")
}

// Program writes an image that holds one static program and starts it: the program becomes /NAME.
func (s *Store) Program(ctx context.Context, ref, binary, name string) (*Image, error) {
	if err := checkStatic(binary); err != nil {
		return nil, fmt.Errorf("make %s image: %w", name, err)
	}
	layer, err := s.around(ctx, binary, "program 1 "+name, func(root string) error {
		return copyProgram(binary, filepath.Join(root, name))
	})
	if err != nil {
		return nil, err
	}
	return s.Write(ctx, ref, nil, []*Layer{layer}, Config{Entrypoint: []string{"/" + name}})
}

// around makes a small layer of a program and what fill puts around it. The recipe is named anew when it becomes another.
func (s *Store) around(ctx context.Context, binary, recipe string, fill func(root string) error) (*Layer, error) {
	info, err := os.Stat(binary)
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", binary, err)
	}
	key := Tree{}.key([]entry{{name: recipe, info: info}})
	return s.once(binary, key, func() (*Layer, error) {
		root, err := os.MkdirTemp(s.dir, ".tree-")
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(root) }()
		if err := fill(root); err != nil {
			return nil, err
		}
		tree := Tree{Dir: root}
		entries, err := tree.entries(ctx)
		if err != nil {
			return nil, err
		}
		return s.pack(ctx, tree, entries)
	})
}

// checkStatic refuses a program that would look for libraries, which an image without any does not have.
func checkStatic(binary string) error {
	f, err := elf.Open(binary)
	if err != nil {
		return fmt.Errorf("look at program %s: %w", binary, err)
	}
	defer func() { _ = f.Close() }()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s is not static: it needs a dynamic linker", binary)
		}
	}
	return nil
}

func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(0o755), out.Close())
}
