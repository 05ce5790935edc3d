//go:build kube && full

package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/test/lab/site"
)

// TestImage looks into the images of both architectures, and runs the one that can run here as root and as somebody, without a
// writable root.
func TestImage(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), "make", "-C", root, "image", "VERSION=e2e").CombinedOutput()
	require.NoError(t, err, string(out))
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	for arch, machine := range machines {
		files := imageFiles(t, filepath.Join(root, "bin", "image", "casshook-e2e-"+arch+".tar"))
		require.Equal(t, []string{
			"casshook/agents/casshook-agent-linux-amd64", "casshook/agents/casshook-agent-linux-arm64", "casshook/casshook", "casshook/casshook-agent",
		}, slices.Sorted(maps.Keys(files)), "the program and agents, no shell")
		requireStatic(t, files["casshook/casshook"], machine)
		requireStatic(t, files["casshook/casshook-agent"], machine) // what the cleaner's Jobs run
		for of, agent := range machines {
			requireStatic(t, files["casshook/agents/casshook-agent-linux-"+of], agent)
		}
	}

	w := open(t, "image")
	yes, no, nobody, zero := true, false, int64(12345), int64(0)
	for name, security := range map[string]*corev1.SecurityContext{
		"root":     {RunAsUser: &zero, ReadOnlyRootFilesystem: &yes},
		"somebody": {RunAsUser: &nobody, RunAsGroup: &nobody, RunAsNonRoot: &yes, ReadOnlyRootFilesystem: &yes, AllowPrivilegeEscalation: &no},
		"its own":  {RunAsNonRoot: &yes},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, w.pod(t, strings.ReplaceAll(name, " ", "-"), security, "after-backup", "--help"), "Exit codes:")
		})
	}
}

// pod runs casshook's image to its end, which must be a success, and returns its log.
func (w *world) pod(t *testing.T, name string, security *corev1.SecurityContext, args ...string) string {
	t.Helper()
	pods := w.Core.CoreV1().Pods(w.namespace)
	_, err := pods.Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever,
		Containers:    []corev1.Container{{Name: "casshook", Image: image(), Args: args, SecurityContext: security}},
	}}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, site.Wait(t.Context(), startLimit, "the end of pod "+name, func(ctx context.Context) error {
		pod, err := pods.Get(ctx, name, metav1.GetOptions{})
		if err == nil && pod.Status.Phase != corev1.PodSucceeded {
			err = errors.New("it is " + string(pod.Status.Phase))
		}
		return err
	}))
	log, err := pods.GetLogs(name, &corev1.PodLogOptions{}).DoRaw(t.Context())
	require.NoError(t, err)
	return string(log)
}

// imageFiles are the regular files of an image's layers.
func imageFiles(t *testing.T, archive string) map[string][]byte {
	t.Helper()
	img, err := tarball.ImageFromPath(archive, nil)
	require.NoError(t, err)
	layers, err := img.Layers()
	require.NoError(t, err)
	files := map[string][]byte{}
	for _, layer := range layers {
		content, err := layer.Uncompressed()
		require.NoError(t, err)
		for r := tar.NewReader(content); ; {
			header, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			if header.Typeflag == tar.TypeReg {
				files[header.Name], err = io.ReadAll(r)
				require.NoError(t, err)
			}
		}
	}
	return files
}

func requireStatic(t *testing.T, program []byte, machine elf.Machine) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(program))
	require.NoError(t, err)
	require.Equal(t, machine, f.Machine)
	for _, p := range f.Progs {
		require.NotEqual(t, elf.PT_INTERP, p.Type, "it needs a dynamic linker")
	}
}
