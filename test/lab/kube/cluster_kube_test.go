//go:build kube

package kube

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// kinds of leftovers that a running lab must show, or the empty list after Down would say nothing.
func kinds() []string {
	return []string{"process", "mount", "cgroup", "link", "namespace", "tunable", "loop device", "address", "route"}
}

// TestLab runs the real thing through its life: up, again, with every process killed once, down, and up with its data.
func TestLab(t *testing.T) {
	l, err := New(filepath.Join("..", "..", ".."), t.Logf)
	require.NoError(t, err)
	l.Source, err = filepath.Abs(l.Source)
	require.NoError(t, err)
	require.NoError(t, l.Up(t.Context()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		require.NoError(t, l.Down(ctx))
	})

	pids := allPIDs(l)
	require.NotContains(t, pids, 0, "every process runs: %v", l.names())
	require.NoError(t, l.Up(t.Context()))
	require.Equal(t, pids, allPIDs(l), "a second Up restarts nothing")

	found, err := l.Leftovers(t.Context())
	require.NoError(t, err)
	for _, kind := range kinds() {
		require.True(t, has(found, kind), "no %s among what a running lab has: %v", kind, found)
	}

	startPod(t, l)
	t.Run("a pod reaches the cluster and nothing else", func(t *testing.T) { confined(t, l) })
	for _, name := range l.names() {
		t.Run("killed "+name, func(t *testing.T) {
			require.NoError(t, syscall.Kill(l.pid(name), syscall.SIGKILL))
			require.NoError(t, l.Up(t.Context()))
			require.NoError(t, wait(t.Context(), patience, "the pod to answer", func(ctx context.Context) error {
				_, err := l.Kubectl(ctx, "-n", "lab-test", "exec", "probe", "--", "true")
				return err
			}))
		})
	}
	t.Run("a volume can still be made after all of them were killed", func(t *testing.T) { snapshot(t, l) })

	require.NoError(t, l.Down(t.Context()))
	found, err = l.Leftovers(t.Context())
	require.NoError(t, err)
	require.Empty(t, found)
	require.NoError(t, l.Down(t.Context()), "down twice")

	require.NoError(t, l.Up(t.Context()))
	require.NoError(t, wait(t.Context(), patience, "the volume's content", func(ctx context.Context) error {
		out, err := l.Kubectl(ctx, "-n", "lab-test", "exec", "probe", "--", "cat", "/data/kept")
		if err == nil && strings.TrimSpace(out) != "kept" {
			err = fmt.Errorf("it holds %q", out)
		}
		return err
	}), "a pod with its volume comes back")
	_, err = l.Kubectl(t.Context(), "delete", "namespace", "lab-test", "--wait=true", "--timeout=300s")
	require.NoError(t, err)
}

func has(found []Leftover, kind string) bool {
	for _, one := range found {
		if one.Kind == kind {
			return true
		}
	}
	return false
}

func allPIDs(l *Lab) []int {
	var pids []int
	for _, name := range l.names() {
		pids = append(pids, l.pid(name))
	}
	return pids
}

const probe = `apiVersion: v1
kind: Namespace
metadata: {name: lab-test}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: lab-test}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: probe, namespace: lab-test}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: probe
    image: ` + BusyboxImage + `
    imagePullPolicy: IfNotPresent
    command: [/bin/sh, -c, "echo kept > /data/kept; sync; while :; do sleep 1; done"]
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
`

func apply(t *testing.T, l *Lab, manifest string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "manifest.yaml")
	require.NoError(t, os.WriteFile(file, []byte(manifest), 0o644))
	// A namespace's service account comes a moment after it.
	require.NoError(t, wait(t.Context(), patience, "apply", func(ctx context.Context) error {
		_, err := l.Kubectl(ctx, "apply", "-f", file)
		return err
	}))
}

func startPod(t *testing.T, l *Lab) {
	t.Helper()
	apply(t, l, probe)
	_, err := l.Kubectl(t.Context(), "-n", "lab-test", "wait", "--for=condition=Ready", "--timeout=300s", "pod/probe")
	require.NoError(t, err)
}

// confined tries a listener of this process on every address of the host, and an address outside, from the pod.
func confined(t *testing.T, l *Lab) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "reached") }))
	listener, err := net.Listen("tcp", net.JoinHostPort(hostIP, "0"))
	require.NoError(t, err)
	server.Listener = listener
	server.Start()
	defer server.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)

	reach := func(host, port string) error {
		_, err := l.Kubectl(t.Context(), "-n", "lab-test", "exec", "probe", "--", "sh", "-c", `echo | nc -w 3 "$0" "$1"`, host, port)
		return err
	}
	require.NoError(t, reach(apiService, "443"), "the API server's service")
	require.NoError(t, reach(dnsService, "53"), "the name server")
	require.Error(t, reach(hostIP, port), "this very process")
	require.Error(t, reach("192.0.2.1", "80"), "an address outside")
	out, err := l.Kubectl(t.Context(), "-n", "lab-test", "exec", "probe", "--", "nslookup", "kubernetes.default.svc.cluster.local")
	require.NoError(t, err)
	require.Contains(t, out, apiService)
}

// snapshot takes a VolumeSnapshot and makes a volume from it.
func snapshot(t *testing.T, l *Lab) {
	apply(t, l, `apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshot
metadata: {name: data, namespace: lab-test}
spec: {source: {persistentVolumeClaimName: data}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: copy, namespace: lab-test}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
  dataSource: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: data}
---
apiVersion: v1
kind: Pod
metadata: {name: reader, namespace: lab-test}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: reader
    image: `+BusyboxImage+`
    imagePullPolicy: IfNotPresent
    command: [/bin/sh, -c, "while :; do sleep 1; done"]
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: copy}}]
`)
	_, err := l.Kubectl(t.Context(), "-n", "lab-test", "wait", "--for=condition=Ready", "--timeout=300s", "pod/reader")
	require.NoError(t, err)
	out, err := l.Kubectl(t.Context(), "-n", "lab-test", "exec", "reader", "--", "cat", "/data/kept")
	require.NoError(t, err)
	require.Equal(t, "kept\n", out)
}
