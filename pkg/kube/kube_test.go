//go:build kube

package kube

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/lock"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/kube/snapshot"
	"github.com/casshook/casshook/pkg/kube/stream"
	"github.com/casshook/casshook/pkg/ledger"

	// These tests need a Kubernetes at $KUBECONFIG whose user may do everything, and
	// an image with a busybox shell, $CASSHOOK_TEST_IMAGE or lab.local/busybox:1. They
	// work in a namespace of their own, as a service account with exactly Rules.

	authenticationv1 "k8s.io/api/authentication/v1"

	corev1 "k8s.io/api/core/v1"

	rbacv1 "k8s.io/api/rbac/v1"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

const podLimit = 2 * time.Minute

// lab is a namespace of a real Kubernetes.
type lab struct {
	t         *testing.T
	config    *rest.Config
	admin     kubernetes.Interface
	namespace string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	path := os.Getenv("KUBECONFIG")
	require.NotEmpty(t, path, "set KUBECONFIG")
	config, err := clientcmd.BuildConfigFromFlags("", path)
	require.NoError(t, err)
	admin, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	ns, err := admin.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "kub-"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		now := int64(0)
		_ = admin.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
	})
	return &lab{t: t, config: config, admin: admin, namespace: ns.Name}
}

// as connects as a service account that is allowed the rules.
func (l *lab) as(name string, rules []objects.Rule) *api.Client {
	t, ctx := l.t, l.t.Context()
	t.Helper()
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, r := range rules {
		role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{r.APIGroup}, Resources: []string{r.Resource}, Verbs: r.Verbs})
	}
	_, err := l.admin.RbacV1().Roles(l.namespace).Create(ctx, role, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = l.admin.CoreV1().ServiceAccounts(l.namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = l.admin.RbacV1().RoleBindings(l.namespace).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: l.namespace}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	token, err := l.admin.CoreV1().ServiceAccounts(l.namespace).CreateToken(ctx, name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(t, err)
	file := clientcmdapi.NewConfig()
	file.Clusters["c"] = &clientcmdapi.Cluster{Server: l.config.Host, CertificateAuthority: l.config.CAFile, CertificateAuthorityData: l.config.CAData}
	file.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	file.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u", Namespace: l.namespace}
	file.CurrentContext = "x"
	path := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, clientcmd.WriteToFile(*file, path))
	client, err := api.Connect(api.Options{Kubeconfig: path, Notify: func(m string) { t.Log(m) }})
	require.NoError(t, err)
	return client
}

// pod runs a shell in a container as cass-operator's are: another user, a
// read-only root file system, /tmp and the volume writable. Port 9042 echoes.
func (l *lab) pod(name string) {
	t := l.t
	t.Helper()
	image := os.Getenv("CASSHOOK_TEST_IMAGE")
	if image == "" {
		image = "lab.local/busybox:1"
	}
	yes, uid, now := true, int64(123456), int64(0)
	empty := corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{
		TerminationGracePeriodSeconds: &now,
		SecurityContext:               &corev1.PodSecurityContext{RunAsUser: &uid, RunAsGroup: &uid, FSGroup: &uid},
		Volumes:                       []corev1.Volume{{Name: "server-data", VolumeSource: empty}, {Name: "tmp", VolumeSource: empty}},
		Containers: []corev1.Container{{
			Name: "cassandra", Image: image, ImagePullPolicy: corev1.PullIfNotPresent,
			Command:         []string{"sh", "-c", "trap 'exit 0' TERM; mkdir -p /var/lib/cassandra/data; (while :; do nc -l -p 9042 -e cat; done) & while :; do sleep 0.2; done"},
			VolumeMounts:    []corev1.VolumeMount{{Name: "server-data", MountPath: "/var/lib/cassandra"}, {Name: "tmp", MountPath: "/tmp"}},
			SecurityContext: &corev1.SecurityContext{ReadOnlyRootFilesystem: &yes},
		}},
	}}
	require.Eventually(t, func() bool { // until the namespace has its service account
		_, err := l.admin.CoreV1().Pods(l.namespace).Create(t.Context(), p, metav1.CreateOptions{})
		return err == nil
	}, podLimit, 200*time.Millisecond)
	require.Eventually(t, func() bool {
		p, err := l.admin.CoreV1().Pods(l.namespace).Get(t.Context(), name, metav1.GetOptions{})
		return err == nil && objects.ContainerStatus(p) != nil && objects.ContainerStatus(p).State.Running != nil
	}, podLimit, 200*time.Millisecond, "pod %s does not run", name)
}

// labRing is a ring of pods without an operator.
type labRing struct {
	*stream.Pods
	*lock.Locker
}

// locked is the ring as its lock knows it.
func (l *lab) locked() lock.Ring {
	return lock.Ring{Namespace: l.namespace, Cluster: "lab", Datacenters: func() []lock.Datacenter { return []lock.Datacenter{{Name: "dc1", UID: "uid-1"}} }}
}

// ring reaches pods, and lists them as nodes.
func (l *lab) ring(c *api.Client, agentDir string, pods ...string) (labRing, []ring.Node) {
	l.t.Helper()
	seen := map[string]stream.SeenPod{}
	var nodes []ring.Node
	for _, name := range pods {
		p, err := l.admin.CoreV1().Pods(l.namespace).Get(l.t.Context(), name, metav1.GetOptions{})
		require.NoError(l.t, err)
		seen[name] = stream.SeenPod{UID: p.UID, ContainerID: objects.ContainerStatus(p).ContainerID}
		nodes = append(nodes, ring.Node{Address: p.Status.PodIP, CQLPort: 9042, Node: wire.Node{
			Name: name, Volume: "/var/lib/cassandra", DataDirs: []string{"/var/lib/cassandra/data"}, API: objects.ManagementSocket, VolumeID: "pvc/" + name}})
	}
	streams := stream.New(c, l.namespace, stream.Options{Agents: stream.NewAgents(agentDir), Seen: func(pod string) stream.SeenPod { return seen[pod] }})
	return labRing{streams, lock.New(c, l.locked())}, nodes
}

// quiet is an observer of nothing.
type quiet struct{}

func (*quiet) Begin(string)                     {}
func (*quiet) End(string, time.Duration, error) {}
func (*quiet) Progress(string)                  {}

func hook() ring.Claim {
	return ring.Claim{Holder: "me-1", Operation: "after-restore", BackupID: "b2", ParkedFor: 10 * time.Minute}
}

// builtAgent is a directory with the real agent.
func builtAgent(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "casshook-agent-linux-"+runtime.GOARCH), "github.com/casshook/casshook/cmd/casshook-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}

func TestKubeExec(t *testing.T) {
	l := newLab(t)
	l.pod("n1")
	target, nodes := l.ring(l.as("hook", objects.Rules()), "", "n1")
	var out strings.Builder
	c := ring.Command{Argv: []string{"sh", "-c", "cat; id -u; echo why >&2; exit 7"}, Stdin: strings.NewReader("in\n"), Stdout: &out}
	err := target.Exec(t.Context(), nodes[0], c)
	var failed *ring.ExecError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, 7, failed.Code)
	require.Equal(t, "why", failed.Tail)
	require.Equal(t, "in\n123456\n", out.String())

	stdin, requests := io.Pipe()
	defer requests.Close()
	require.NoError(t, target.Exec(t.Context(), nodes[0], ring.Command{Argv: []string{"true"}, Stdin: stdin}), "with stdin open")

	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err = target.Exec(ctx, nodes[0], ring.Command{Argv: []string{"cat"}, Stdin: stdin})
	require.ErrorIs(t, err, context.DeadlineExceeded)

	nobody, nodes := l.ring(l.as("nobody", nil), "", "n1")
	err = nobody.Exec(t.Context(), nodes[0], ring.Command{Argv: []string{"true"}})
	require.ErrorContains(t, err, "the service account may not create pods/exec in namespace "+l.namespace)
	_, err = nobody.DialCQL(t.Context(), nodes[0])
	require.ErrorContains(t, err, "the service account may not create pods/portforward in namespace "+l.namespace)
	_, err = nobody.Acquire(t.Context(), nil, hook())
	require.ErrorContains(t, err, "the service account may not get leases in namespace "+l.namespace)
}

func TestKubeAgentAndLock(t *testing.T) {
	l := newLab(t)
	l.pod("n1")
	l.pod("n2")
	target, nodes := l.ring(l.as("hook", objects.Rules()), builtAgent(t), "n1", "n2")
	for range 2 { // copied, then there
		started := time.Now()
		sessions, err := ring.OpenAll(t.Context(), target, nodes)
		require.NoError(t, err)
		t.Logf("two agents said hello after %s", time.Since(started).Round(time.Millisecond))
		held, err := target.Acquire(t.Context(), sessions, hook())
		require.NoError(t, err)
		_, err = target.Acquire(t.Context(), nil, ring.Claim{Holder: "you", Operation: "before-backup"})
		require.Equal(t, flow.Locked, flow.CodeOf(err))
		require.ErrorContains(t, err, "me-1 holds it for after-restore")
		volumes, err := ring.CallAll[ledger.Volume](t.Context(), sessions, wire.OpInspect, struct{}{})
		require.NoError(t, err)
		require.Equal(t, "me-1", volumes[1].Lock.Holder)
		require.NoError(t, held.Park(t.Context()))
		_, err = target.Acquire(t.Context(), nil, ring.Claim{Holder: "you", ParkedFor: time.Hour})
		require.Equal(t, flow.Locked, flow.CodeOf(err))
		require.NoError(t, held.Release(t.Context()))
		ring.CloseAll(sessions)
	}
	_, err := l.admin.CoordinationV1().Leases(l.namespace).Get(t.Context(), "casshook-lab", metav1.GetOptions{})
	require.True(t, api.Absent(err))
	var left strings.Builder
	require.NoError(t, target.Exec(t.Context(), nodes[0], ring.Command{Argv: []string{"sh", "-c", "ls /tmp; ps | grep -c '[c]asshook-agent.* serve' || true"}, Stdout: &left}))
	require.Equal(t, "0\n", left.String(), "no file stays, and no process")
}

func TestKubePodThatDies(t *testing.T) {
	l := newLab(t)
	for _, name := range []string{"n1", "n2"} {
		l.pod(name)
	}
	target, nodes := l.ring(l.as("hook", objects.Rules()), builtAgent(t), "n1", "n2")
	sessions, err := ring.OpenAll(t.Context(), target, nodes)
	require.NoError(t, err)
	defer ring.CloseAll(sessions)
	_ = target.Exec(t.Context(), nodes[0], ring.Command{Argv: []string{"kill", "1"}})
	now := int64(0)
	require.NoError(t, l.admin.CoreV1().Pods(l.namespace).Delete(t.Context(), "n2", metav1.DeleteOptions{GracePeriodSeconds: &now}))
	for i, want := range []string{"the container cassandra (was restarted|is not running)", "the pod is (gone|being deleted)"} {
		ctx, cancel := context.WithTimeoutCause(t.Context(), podLimit, errors.New("nothing was noticed"))
		for err = nil; err == nil; {
			err = sessions[i].Call(ctx, wire.OpInspect, struct{}{}, nil)
		}
		cancel()
		require.Regexp(t, want, err.Error())
	}
}

func TestKubePortForward(t *testing.T) {
	l := newLab(t)
	l.pod("n1")
	target, nodes := l.ring(l.as("hook", objects.Rules()), "", "n1")
	conn, err := target.DialCQL(t.Context(), nodes[0])
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	big := strings.Repeat("0123456789abcdef", 1<<14)
	go func() { _, _ = io.WriteString(conn, big) }()
	got := make([]byte, len(big))
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	require.Equal(t, big, string(got))
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = conn.Read(got)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.Close())

	nodes[0].CQLPort = 9043
	conn, err = target.DialCQL(t.Context(), nodes[0])
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Read(got)
	require.ErrorContains(t, err, "refused")
}

func TestKubeRecord(t *testing.T) {
	l := newLab(t)
	client := l.as("hook", objects.Rules())
	r := lock.NewRecord(client, l.locked(), "before-backup", &quiet{})
	r.Start(t.Context())
	r.Begin("flushing")
	r.End("flushing", time.Second, nil)
	r.Finish(t.Context(), "b1", errors.New("no space"))
	cm, err := l.admin.CoreV1().ConfigMaps(l.namespace).Get(t.Context(), "casshook-lab", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "failed", cm.Data["state"])
	require.Equal(t, "flushing", cm.Data["step"])
	events, err := l.admin.CoreV1().Events(l.namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.kind=CassandraDatacenter"})
	require.NoError(t, err)
	require.Len(t, events.Items, 2)
	require.NoError(t, snapshot.New(client, datacenter.NewRing(client, []*datacenter.Datacenter{{Namespace: l.namespace, ClusterName: "lab"}}), "").WaitVolumeSnapshots(t.Context(), client.Now(), time.Minute, func(string) {}))
	if _, err := datacenter.Find(t.Context(), client, datacenter.Selection{}); err != nil {
		require.Equal(t, flow.Precondition, flow.CodeOf(err))
	}
}
