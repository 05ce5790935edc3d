package generate

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/casshook/casshook/pkg/blueprint"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// jobsOf decodes the Jobs of a file strictly.
func jobsOf(t *testing.T, files []File, path string) []batchv1.Job {
	t.Helper()
	var jobs []batchv1.Job
	for _, document := range bytes.Split(fileOf(t, files, path).Content, []byte("\n---\n")) {
		var job batchv1.Job
		require.NoError(t, yaml.UnmarshalStrict(document, &job))
		jobs = append(jobs, job)
	}
	return jobs
}

func TestCleanerDefault(t *testing.T) {
	t.Parallel()
	files, err := Generate(Default())
	require.NoError(t, err)
	jobs := jobsOf(t, files, "examples/cleaner/clean-cassandra.yaml")
	require.Len(t, jobs, 3)
	for i, job := range jobs {
		claim := Default().Cleaner.Claims[i]
		require.Equal(t, "casshook-clean-"+claim, job.Name)
		require.Equal(t, "cassandra", job.Namespace)
		require.Equal(t, int32(86400), *job.Spec.TTLSecondsAfterFinished)
		for key, value := range objects.OwnLabels() {
			require.Equal(t, value, job.Labels[key], "the filters leave it out of restore points")
			require.Equal(t, value, job.Spec.Template.Labels[key])
		}
		pod := job.Spec.Template.Spec
		require.Equal(t, claim, pod.Volumes[0].PersistentVolumeClaim.ClaimName)
		require.Nil(t, pod.Affinity)
		require.Equal(t, []string{"/casshook/casshook-agent", "clean", "--volume=/var/lib/cassandra", "--restored", "-o", "json"}, pod.Containers[0].Command)
		require.Equal(t, []int64{999, 999, 999}, []int64{*pod.SecurityContext.RunAsUser, *pod.SecurityContext.RunAsGroup, *pod.SecurityContext.FSGroup})
		require.True(t, *pod.SecurityContext.RunAsNonRoot)
	}
	text := string(fileOf(t, files, "examples/cleaner/clean-cassandra.yaml").Content)
	require.Contains(t, text, "# --restored: apply this only to volumes restored")
	require.NotRegexp(t, `(?m)null|status:|creationTimestamp`, text)
}

// TestCleanerEverything has every option where it belongs.
func TestCleanerEverything(t *testing.T) {
	t.Parallel()
	o := everything()
	files, err := Generate(o)
	require.NoError(t, err)
	for _, namespace := range o.Namespaces {
		jobs := jobsOf(t, files, "examples/cleaner/clean-"+namespace+".yaml")
		require.Len(t, jobs, 2)
		require.NotEqual(t, jobs[0].Name, jobs[1].Name)
		job := jobs[0]
		require.Equal(t, namespace, job.Namespace)
		pod := job.Spec.Template.Spec
		require.Equal(t, []string{"/casshook/casshook-agent", "clean", "--volume=/y", "--data=/y/1", "--data=/y/no", "--commitlog=/1/no",
			"--backup=casshook-20261121T101530Z-4f2a", "--peers=forget", "--in-place", "--again", "-o", "json"}, pod.Containers[0].Command)
		require.Equal(t, []corev1.VolumeMount{{Name: "volume-0", MountPath: "/y"}, {Name: "volume-1", MountPath: "/1"}}, pod.Containers[0].VolumeMounts)
		require.Equal(t, "server-data-y", pod.Volumes[0].PersistentVolumeClaim.ClaimName)
		require.Equal(t, "on-y", pod.Volumes[1].PersistentVolumeClaim.ClaimName)
		require.Equal(t, "on-1.5", jobs[1].Spec.Template.Spec.Volumes[1].PersistentVolumeClaim.ClaimName)
		require.Equal(t, o.Image, pod.Containers[0].Image)
		require.Equal(t, []corev1.LocalObjectReference{{Name: "yes"}}, pod.ImagePullSecrets)
		require.Equal(t, "no", pod.ServiceAccountName)
		require.Equal(t, []int64{0, 1, 2}, []int64{*pod.SecurityContext.RunAsUser, *pod.SecurityContext.RunAsGroup, *pod.SecurityContext.FSGroup})
		require.False(t, *pod.SecurityContext.RunAsNonRoot, "it would not start")
		require.Equal(t, map[string]string{"y": "off"}, pod.NodeSelector)
		seconds := int64(300)
		require.Equal(t, []corev1.Toleration{{Key: "n", Operator: "Equal", Value: "on", Effect: "NoExecute", TolerationSeconds: &seconds}}, pod.Tolerations)
		term := pod.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0]
		require.Equal(t, []corev1.NodeSelectorRequirement{{Key: "topology.kubernetes.io/zone", Operator: "In", Values: []string{"no", "1"}}}, term.MatchExpressions)
		require.Nil(t, jobs[1].Spec.Template.Spec.Affinity, "zones are those of one claim")
	}
	text := string(fileOf(t, files, "examples/cleaner/clean-on.yaml").Content)
	require.Contains(t, text, "# --in-place: ")
	require.NotContains(t, text, "--restored")
}

// TestManifest: what types of Kubernetes write as null, and what the API server fills
// in, is not in a file.
func TestManifest(t *testing.T) {
	t.Parallel()
	type inner struct {
		None []string `json:"none"`
		One  []string `json:"one"`
	}
	type outer struct {
		Nil    *int64         `json:"nil"`
		Map    map[string]any `json:"map"`
		Time   metav1.Time    `json:"time"`
		List   []inner        `json:"list"`
		Empty  inner          `json:"empty"`
		Status inner          `json:"status"`
	}
	got := manifest(&outer{List: []inner{{One: []string{"a"}}}})
	require.Equal(t, "empty: {}\nlist:\n- one:\n  - a\n", toYAML(got, nil))
}

func TestCommitLogIsWholeVolume(t *testing.T) {
	t.Parallel()
	o := Default()
	o.Cleaner.CommitLog = CommitLog{Volume: "log", MountPath: "/log"}
	files, err := Generate(o)
	require.NoError(t, err)
	require.Contains(t, jobsOf(t, files, "examples/cleaner/clean-cassandra.yaml")[0].Spec.Template.Spec.Containers[0].Command, "--commitlog=/log")
}

func TestCleanerRefusals(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("a", n) }
	for name, c := range map[string]struct {
		change func(*Cleaner)
		// err is "" where the options are good.
		err string
	}{
		"no claims":           {func(c *Cleaner) { c.Claims = nil }, "cleaner.claims: required"},
		"claim of 253":        {func(c *Cleaner) { c.Claims = []string{long(253)} }, ""},
		"claim of 254":        {func(c *Cleaner) { c.Claims = []string{long(254)} }, "cleaner.claims[0]: "},
		"claim twice":         {func(c *Cleaner) { c.Claims = []string{"a", "a"} }, "cleaner.claims[1]: \"a\" is listed twice"},
		"claim in upper case": {func(c *Cleaner) { c.Claims = []string{"A"} }, `cleaner.claims[0]: "A"`},
		"zone of no claim":    {func(c *Cleaner) { c.Zones = map[string][]string{"x": {"z"}} }, `cleaner.zones: "x" is not one of the claims`},
		"no zone":             {func(c *Cleaner) { c.Zones = map[string][]string{c.Claims[0]: {}} }, "empty: omit it, or list a zone"},
		"zone":                {func(c *Cleaner) { c.Zones = map[string][]string{c.Claims[0]: {"a b"}} }, "[0]: \"a b\": "},
		"empty zone":          {func(c *Cleaner) { c.Zones = map[string][]string{c.Claims[0]: {""}} }, "must not be empty"},
		"mount path":          {func(c *Cleaner) { c.MountPath = "data" }, `cleaner.mountPath: "data"`},
		"root":                {func(c *Cleaner) { c.MountPath = "/" }, `cleaner.mountPath: "/"`},
		"path with dots":      {func(c *Cleaner) { c.MountPath = "/a/../b" }, "cleaner.mountPath: "},
		"path with colon":     {func(c *Cleaner) { c.MountPath = "/a:b" }, "cleaner.mountPath: "},
		"path with variable":  {func(c *Cleaner) { c.MountPath = "/$(A)" }, "cleaner.mountPath: "},
		"data elsewhere":      {func(c *Cleaner) { c.DataDirectories = []string{"/var/lib/cassandra/data", "/data"} }, `cleaner.dataDirectories[1]: "/data" is not below /var/lib/cassandra`},
		"data beside":         {func(c *Cleaner) { c.DataDirectories = []string{"/var/lib/cassandra2"} }, "cleaner.dataDirectories[0]: "},
		"data is the volume":  {func(c *Cleaner) { c.DataDirectories = []string{"/var/lib/cassandra"} }, ""},
		"commit log":          {func(c *Cleaner) { c.CommitLog = CommitLog{"log", "/log", "/log/a"} }, ""},
		"commit log's claim":  {func(c *Cleaner) { c.CommitLog, c.Claims = CommitLog{"log", "/log", ""}, []string{"x"} }, `cleaner.commitLog.volume: "x" does not begin with server-data-`},
		"commit log's long one": {func(c *Cleaner) {
			c.CommitLog, c.Claims = CommitLog{long(63), "/log", ""}, []string{dataClaim + long(240)}
		}, "cleaner.commitLog.volume: "},
		"commit log, no volume":  {func(c *Cleaner) { c.CommitLog = CommitLog{"", "/log", ""} }, "cleaner.commitLog.volume: "},
		"commit log, no path":    {func(c *Cleaner) { c.CommitLog = CommitLog{"log", "", ""} }, "cleaner.commitLog.mountPath: "},
		"commit log, same path":  {func(c *Cleaner) { c.CommitLog = CommitLog{"log", c.MountPath, ""} }, "would hide the data volume"},
		"commit log above":       {func(c *Cleaner) { c.CommitLog = CommitLog{"log", "/var", ""} }, "would hide the data volume"},
		"commit log below":       {func(c *Cleaner) { c.CommitLog = CommitLog{"log", c.MountPath + "/commitlog", ""} }, ""},
		"commit log elsewhere":   {func(c *Cleaner) { c.CommitLog = CommitLog{"log", "/log", "/other"} }, "cleaner.commitLog.directory: "},
		"backup":                 {func(c *Cleaner) { c.Backup = "newest" }, `cleaner.backup: "newest"`},
		"peers":                  {func(c *Cleaner) { c.Peers = "auto" }, `cleaner.peers: "auto" is not one of keep, forget`},
		"pull secret":            {func(c *Cleaner) { c.ImagePullSecrets = []string{"A"} }, "cleaner.imagePullSecrets[0]: "},
		"service account":        {func(c *Cleaner) { c.ServiceAccount = "a b" }, "cleaner.serviceAccount: "},
		"negative user":          {func(c *Cleaner) { c.SecurityContext.RunAsUser = -1 }, "cleaner.securityContext.runAsUser: -1"},
		"large group":            {func(c *Cleaner) { c.SecurityContext.FSGroup = 1 << 31 }, "cleaner.securityContext.fsGroup: 2147483648"},
		"node selector":          {func(c *Cleaner) { c.NodeSelector = map[string]string{"a": "{{x}}"} }, "cleaner.nodeSelector.a: "},
		"toleration":             {func(c *Cleaner) { c.Tolerations = []blueprint.Toleration{{Value: "a"}} }, "cleaner.tolerations[0].key: "},
		"root with its own user": {func(c *Cleaner) { c.SecurityContext = SecurityContext{0, 0, 0} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Default()
			c.change(&o.Cleaner)
			_, err := Generate(o)
			if c.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.err)
		})
	}
}

var fieldPath = regexp.MustCompile(`^[A-Za-z]+[A-Za-z0-9.\[\]/_-]*$`)

func FuzzCleaner(f *testing.F) {
	for _, name := range append(hostile(), "/a", "/a/b", "/", "//", "/a/../b", "casshook-20261121T101530Z-4f2a", dataClaim+"a.b") {
		f.Add(name, "a", "/a", "z", int64(1))
		f.Add(name, name, name, name, int64(1))
		f.Add("a", name, "/a", "z", int64(-1))
		f.Add(dataClaim+"a", "a", name, "z", int64(1<<31))
		f.Add("a", "a", "/a", name, int64(0))
	}
	f.Fuzz(func(t *testing.T, claim, name, dir, zone string, user int64) {
		o := Default()
		o.Clone.Namespace = name
		o.Cleaner = Cleaner{
			Claims: []string{claim, "other"}, Zones: map[string][]string{claim: {zone}}, MountPath: dir, DataDirectories: []string{dir + "/data"},
			Peers: keepPeers, ImagePullSecrets: []string{name}, ServiceAccount: name, SecurityContext: SecurityContext{user, user, user},
			NodeSelector: map[string]string{"a": zone, name: zone},
		}
		files, err := Generate(o)
		if err != nil {
			for _, line := range strings.Split(err.Error(), "\n") {
				field, _, ok := strings.Cut(line, ": ")
				require.True(t, ok && fieldPath.MatchString(field), "%q names no field", line)
			}
			return
		}
		for _, file := range files {
			requireClean(t, file)
		}
		jobs := jobsOf(t, files, "examples/cleaner/clean-cassandra.yaml")
		require.NotEqual(t, jobs[0].Name, jobs[1].Name)
		require.Empty(t, validation.IsDNS1123Label(jobs[0].Name))
		pod := jobs[0].Spec.Template.Spec
		require.Equal(t, claim, pod.Volumes[0].PersistentVolumeClaim.ClaimName)
		require.Equal(t, dir, pod.Containers[0].VolumeMounts[0].MountPath)
		require.Contains(t, pod.Containers[0].Command, "--volume="+dir)
		require.Equal(t, name, pod.ServiceAccountName)
		require.Equal(t, user, *pod.SecurityContext.RunAsUser)
		require.Equal(t, zone, pod.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0].MatchExpressions[0].Values[0])
		require.Equal(t, name, decode[blueprint.RestoreAction](t, fileOf(t, files, "examples/clone/restore-cassandra.yaml")).Spec.TargetNamespace)
	})
}
