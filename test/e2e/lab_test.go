//go:build kube

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/test/lab/site"
)

// stopServer stops the lab's API server, as a debugger would, for some time. A shell does both, so that it runs again whatever
// becomes of this process. back waits for that.
func (w *world) stopServer(t *testing.T, pause time.Duration) (back func(*testing.T)) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(w.Kubeconfig), "state", "run", "kube-apiserver.pid"))
	require.NoError(t, err)
	var record struct{ PID int }
	require.NoError(t, json.Unmarshal(text, &record))
	program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", record.PID))
	require.NoError(t, err)
	require.Equal(t, filepath.Join(filepath.Dir(w.Kubeconfig), "bin", "kube-apiserver"), program)
	cmd := exec.Command("sh", "-c", `kill -STOP "$1" && sleep "$2"; kill -CONT "$1"`, "sh", strconv.Itoa(record.PID), strconv.Itoa(int(pause.Seconds())))
	require.NoError(t, cmd.Start())
	return func(t *testing.T) {
		t.Helper()
		require.NoError(t, cmd.Wait())
		soon(t, "the API server", func(context.Context) error {
			_, err := w.Core.Discovery().ServerVersion()
			return err
		})
	}
}

// denyPodToPod keeps every other pod away from the namespace's: Cassandra's own, and those of the operator, are left.
func (w *world) denyPodToPod(t *testing.T, d site.Datacenter) {
	t.Helper()
	require.NoError(t, w.Apply(t.Context(), fmt.Sprintf(`apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny-pod-to-pod, namespace: %s}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress:
  - from:
    - podSelector: {matchExpressions: [{key: cassandra.datastax.com/cluster, operator: Exists}]}
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}}
`, d.Namespace, w.operatorNamespace(t))))
}

// operatorNamespace is where cass-operator runs: by itself, or beside k8ssandra-operator.
func (w *world) operatorNamespace(t *testing.T) string {
	t.Helper()
	deployments, err := w.Core.AppsV1().Deployments(metav1.NamespaceAll).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, d := range deployments.Items {
		for _, c := range d.Spec.Template.Spec.Containers {
			if strings.Contains(c.Image, "cass-operator") {
				return d.Namespace
			}
		}
	}
	return "cass-operator"
}

// watchHooks looks at all connections of the lab until connected is called, which wants those that hook pods began to go to the
// API server alone. The lab's bridge enforces no NetworkPolicy, so an object of that kind proves nothing there. What this proves
// is more: hooks never speak with another pod, so that no policy that lets them reach the API server keeps them from anything.
// That connections between pods would be seen is shown by one from Cassandra's pod to CoreDNS.
func (w *world) watchHooks(t *testing.T, d site.Datacenter) (connected func(*testing.T)) {
	t.Helper()
	if !w.Lab {
		return func(*testing.T) {}
	}
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	var seen bytes.Buffer
	table := exec.CommandContext(ctx, "nsenter", "--net=/run/netns/casshook-lab", "--", "conntrack", "--event", "--event-mask", "NEW")
	table.Cancel = func() error { return table.Process.Signal(syscall.SIGTERM) } // it prints what it has
	table.WaitDelay = time.Second
	table.Stdout = &seen
	require.NoError(t, table.Start())
	addresses := make(chan map[string]string, 1)
	go func() { addresses <- w.hookAddresses(ctx) }()
	return func(t *testing.T) {
		t.Helper()
		from, to := w.connectPods(t, d)
		stop()
		_ = table.Wait() // it was ended
		require.Contains(t, connections(seen.String(), from), to+":8181")
		service, err := w.Core.CoreV1().Services(metav1.NamespaceDefault).Get(t.Context(), "kubernetes", metav1.GetOptions{})
		require.NoError(t, err)
		hooks := <-addresses
		require.GreaterOrEqual(t, len(hooks), 2, "before-backup and after-backup")
		for pod, address := range hooks {
			found := connections(seen.String(), address)
			t.Logf("%s (%s) connected to %v", pod, address, found)
			require.NotEmpty(t, found)
			for _, to := range found {
				require.Equal(t, service.Spec.ClusterIP+":443", to, "from "+pod)
			}
		}
	}
}

// connectPods connects Cassandra's pod to the port of CoreDNS that tells whether it is ready, and returns the addresses of both.
func (w *world) connectPods(t *testing.T, d site.Datacenter) (from, to string) {
	t.Helper()
	list, err := w.Core.CoreV1().Pods(metav1.NamespaceSystem).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, list.Items, 1, "CoreDNS")
	to = list.Items[0].Status.PodIP
	pods, err := w.Pods(t.Context(), d)
	require.NoError(t, err)
	_, err = w.Exec(t.Context(), d.Namespace, pods[0], "cassandra", "curl", "--silent", "--show-error", "--max-time", "5", "http://"+to+":8181/ready")
	require.NoError(t, err)
	return w.address(t, d), to
}

// hookAddresses looks for pods of hooks until ctx ends.
func (w *world) hookAddresses(ctx context.Context) map[string]string {
	found := map[string]string{}
	for ctx.Err() == nil {
		for _, pod := range w.hookPods(ctx) {
			if pod.Status.PodIP != "" {
				found[pod.Name] = pod.Status.PodIP
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return found
}

// connections are the addresses and ports that an address began to connect to, of the events that conntrack printed.
func connections(events, address string) []string {
	var found []string
	for _, m := range regexp.MustCompile(`src=(\S+) dst=(\S+) sport=\d+ dport=(\d+) \[UNREPLIED\]`).FindAllStringSubmatch(events, -1) {
		if m[1] == address {
			found = append(found, m[2]+":"+m[3])
		}
	}
	return found
}

// address is that of a datacenter's first pod.
func (w *world) address(t *testing.T, d site.Datacenter) string {
	t.Helper()
	pods, err := w.Pods(t.Context(), d)
	require.NoError(t, err)
	require.NotEmpty(t, pods)
	pod, err := w.Core.CoreV1().Pods(d.Namespace).Get(t.Context(), pods[0], metav1.GetOptions{})
	require.NoError(t, err)
	return pod.Status.PodIP
}
