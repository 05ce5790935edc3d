package objects

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

// wholeJob has every field.
func wholeJob() CleanerJob {
	ttl, user := int32(600), int64(1234)
	return CleanerJob{
		Namespace: "db", Claim: "server-data-set-dc1-0", Image: "r/casshook:1", PullSecrets: []string{"pull"}, ServiceAccount: "cassandra",
		Mounts: []Claim{
			{Name: "server-data-set-dc1-0", Mount: "/var/lib/cassandra"},
			{Name: "logs-set-dc1-0", Mount: "/commit"},
			{Name: "logs-set-dc1-0", Mount: "/cdc"},
		},
		DataDirs: []string{"/var/lib/cassandra/a", "/var/lib/cassandra/b"}, CommitLog: "/commit/log", Hints: "/h", SavedCaches: "/s", CDC: "/cdc",
		VolumeID: "pvc/u/pv", HostID: "h1", Backup: "casshook-1",
		ForgetPeers: true, InPlace: true, Again: true, DryRun: true, Full: true, Restored: true, Once: true,
		SecurityContext: &corev1.PodSecurityContext{RunAsUser: &user}, NodeSelector: map[string]string{"disk": "ssd"},
		Tolerations: []corev1.Toleration{{Key: "db", Operator: corev1.TolerationOpExists}},
		NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
			{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "zone", Operator: corev1.NodeSelectorOpIn, Values: []string{"a"}}}}}}},
		TTL: &ttl,
	}
}

func TestCleanerJob(t *testing.T) {
	t.Parallel()
	text, err := yaml.Marshal(wholeJob().Object())
	require.NoError(t, err)
	require.YAMLEq(t, `
apiVersion: batch/v1
kind: Job
metadata:
  name: casshook-clean-server-data-set-dc1-0
  namespace: db
  labels: {app.kubernetes.io/managed-by: casshook}
spec:
  backoffLimit: 0
  ttlSecondsAfterFinished: 600
  podFailurePolicy:
    rules:
    - action: FailJob
      onExitCodes: {containerName: cleaner, operator: In, values: [2, 3, 4]}
  template:
    metadata:
      labels: {app.kubernetes.io/managed-by: casshook, sidecar.istio.io/inject: "false"}
      annotations: {sidecar.istio.io/inject: "false"}
    spec:
      restartPolicy: Never
      serviceAccountName: cassandra
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext: {runAsUser: 1234}
      nodeSelector: {disk: ssd}
      tolerations: [{key: db, operator: Exists}]
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: In, values: [a]}]}]
      imagePullSecrets: [{name: pull}]
      volumes:
      - {name: volume-0, persistentVolumeClaim: {claimName: server-data-set-dc1-0}}
      - {name: volume-1, persistentVolumeClaim: {claimName: logs-set-dc1-0}}
      containers:
      - name: cleaner
        image: r/casshook:1
        command:
        - /casshook/casshook-agent
        - clean
        - --volume=/var/lib/cassandra
        - --data=/var/lib/cassandra/a
        - --data=/var/lib/cassandra/b
        - --commitlog=/commit/log
        - --hints=/h
        - --saved-caches=/s
        - --cdc=/cdc
        - --backup=casshook-1
        - --volume-id=pvc/u/pv
        - --node-host-id=h1
        - --peers=forget
        - --in-place
        - --restored
        - --again
        - --dry-run
        - --full
        - -o
        - json
        resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {cpu: '2', memory: 1Gi}}
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities: {drop: [ALL]}
          runAsNonRoot: true
          seccompProfile: {type: RuntimeDefault}
        terminationMessagePolicy: FallbackToLogsOnError
        volumeMounts:
        - {name: volume-0, mountPath: /var/lib/cassandra}
        - {name: volume-1, mountPath: /commit}
        - {name: volume-1, mountPath: /cdc}
status: {}
`, string(text))
}

// The agent is another program: its source says whether it knows the flags.
func TestCleanerJobSpeaksToTheAgent(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../../../cmd/casshook-agent/clean.go")
	require.NoError(t, err)
	argv := wholeJob().command()
	for _, arg := range argv[2 : len(argv)-2] {
		flag, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		require.Regexp(t, `"`+flag+`", `, string(source), "%s is no flag of casshook-agent clean", arg)
	}
}

// What a namespace with the pod security standard "restricted" lets in (kubernetes.io/docs/concepts/security/pod-security-standards).
func TestCleanerJobIsRestricted(t *testing.T) {
	t.Parallel()
	root, unconfined := int64(0), &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}
	own := &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeLocalhost}
	for name, pod := range map[string]*corev1.PodSecurityContext{
		"none": nil, "left to OpenShift": {}, "cass-operator's": SecurityContextOf(OperatorUser), "--run-as": SecurityContextOf(1000), "unconfined": {SeccompProfile: unconfined},
	} {
		spec := CleanerJob{Image: "i", Mounts: []Claim{{Name: "c", Mount: "/v"}}, SecurityContext: pod}.Object().Spec.Template.Spec
		require.Len(t, spec.Containers, 1, name)
		c := spec.Containers[0]
		require.False(t, *c.SecurityContext.AllowPrivilegeEscalation, name)
		require.True(t, *c.SecurityContext.RunAsNonRoot, name)
		require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, name)
		require.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop, name)
		require.Empty(t, c.SecurityContext.Capabilities.Add, name)
		require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, c.SecurityContext.SeccompProfile.Type, name)
		require.Len(t, c.Resources.Limits, 2, name)
		require.Len(t, c.Resources.Requests, 2, name)
		for _, v := range spec.Volumes {
			require.NotNil(t, v.PersistentVolumeClaim, name)
		}
	}
	files := CleanerJob{SecurityContext: &corev1.PodSecurityContext{RunAsUser: &root}}.restricted()
	require.Nil(t, files.RunAsNonRoot, "files of root need root")
	require.Nil(t, CleanerJob{SecurityContext: &corev1.PodSecurityContext{SeccompProfile: own}}.restricted().SeccompProfile, "Cassandra's own holds")
}

func TestCleanerJobByItself(t *testing.T) {
	t.Parallel()
	o := CleanerJob{Namespace: "db", Claim: "c", Image: "i", Mounts: []Claim{{Name: "c", Mount: "/v"}}}.Object()
	require.Equal(t, int32(3), *o.Spec.BackoffLimit, "who is on his own tries again")
	require.Nil(t, o.Spec.TTLSecondsAfterFinished)
	spec := o.Spec.Template.Spec
	require.Equal(t, []string{"/casshook/casshook-agent", "clean", "--volume=/v", "-o", "json"}, spec.Containers[0].Command)
	require.Nil(t, spec.Affinity)
	text, err := yaml.Marshal(spec.SecurityContext)
	require.NoError(t, err)
	require.YAMLEq(t, "{runAsUser: 999, runAsGroup: 999, fsGroup: 999, runAsNonRoot: true, fsGroupChangePolicy: OnRootMismatch}", string(text))
}

func TestCleanerName(t *testing.T) {
	t.Parallel()
	require.Equal(t, "casshook-clean-server-data-a-0", cleanerName("server-data-a-0"))
	seen := map[string]string{}
	long := "server-data-" + strings.Repeat("a", 36)
	for _, claim := range []string{"c", "a.b", "a-b", long, long + "b", long + "c", long + ".b", strings.Repeat("a-", 30) + "b", strings.Repeat("1", 253), strings.Repeat("1.", 126) + "x"} {
		name := cleanerName(claim)
		require.Empty(t, validation.IsDNS1123Label(name), "%q of %q", name, claim)
		require.True(t, strings.HasPrefix(name, "casshook-clean-"), name)
		require.Empty(t, seen[name], "%q and %q have one name", claim, seen[name])
		seen[name] = claim
	}
	require.Equal(t, "casshook-clean-"+long, cleanerName(long), "63 characters fit")
}
