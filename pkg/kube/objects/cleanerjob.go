package objects

import (
	"fmt"
	"maps"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/flow"
)

// CleanerJob is a Job that runs casshook-agent clean at the volumes of one node whose
// Cassandra does not run (docs/cleaner.md).
type CleanerJob struct {
	Namespace string
	// Claim is the claim of the data volume: the Job is named after it, so that there
	// is one Job for a volume.
	Claim string
	// Image is casshook's: it has the agent of its own architecture.
	Image       string
	PullSecrets []string
	// ServiceAccount whose token is not mounted; the namespace's default when empty.
	ServiceAccount string
	// Mounts are the volumes by Name and Mount: the data volume first, which carries
	// the documents, then others, such as the commit log's.
	Mounts []Claim
	// DataDirs in Cassandra's order.
	DataDirs []string
	// CommitLog, Hints, SavedCaches and CDC are directories; those of the data volume
	// where empty.
	CommitLog, Hints, SavedCaches, CDC string
	// VolumeID is the data volume's identity, HostID what its node must be, Backup the
	// id of the backup; all may be empty.
	VolumeID, HostID, Backup string
	// Flags of casshook-agent clean, by which it is documented.
	ForgetPeers, InPlace, Again, DryRun, Full, Restored bool
	// Once lets the Job fail with its first pod: whoever made it tries again.
	Once bool
	// Resources are CleanerResources when nil.
	Resources *corev1.ResourceRequirements
	// SecurityContext is that of cass-operator's own pods when nil.
	SecurityContext *corev1.PodSecurityContext
	NodeSelector    map[string]string
	Tolerations     []corev1.Toleration
	// NodeAffinity holds where the class of an unbound claim binds it where its first
	// pod is put.
	NodeAffinity *corev1.NodeAffinity
	// TTL is for how many seconds the finished Job stays; for good when nil.
	TTL *int32
}

// CleanerPrefix begins the names of the cleaner's Jobs; the claim's name follows.
const CleanerPrefix = OwnPrefix + "clean-"

// cleanerName is the name of the Job for a claim.
func cleanerName(claim string) string { return ShortName(CleanerPrefix, claim) }

// Where images/Dockerfile puts the agent.
const agentInImage = "/casshook/casshook-agent"

// CleanerContainer is the only container of the Job's pod.
const CleanerContainer = "cleaner"

// cleanerTries is how often a Job by itself tries again.
const cleanerTries = 3

// noSidecar keeps Istio's proxy out, which would not end with the cleaner: the label,
// and the annotation that older releases read (istio.io/latest/docs/reference/config).
const noSidecar = "sidecar.istio.io/inject"

// Object is the Job. It has no labels of Cassandra's pods: a cleaner must not be taken
// for one, by the operator, by services or by their rules of placement.
func (j CleanerJob) Object() *batchv1.Job {
	tries := int32(cleanerTries)
	if j.Once {
		tries = 0
	}
	labels := OwnLabels()
	labels[noSidecar] = "false"
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{Namespace: j.Namespace, Name: cleanerName(j.Claim), Labels: OwnLabels()},
		Spec: batchv1.JobSpec{
			BackoffLimit: &tries, TTLSecondsAfterFinished: j.TTL, PodFailurePolicy: hopeless(),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: map[string]string{noSidecar: "false"}},
				Spec:       j.pod(),
			},
		},
	}
}

// hopeless fails the Job at once where another try would end the same way. With such a
// policy a pod is replaced only when it has ended: two never work on one volume.
func hopeless() *batchv1.PodFailurePolicy {
	name := CleanerContainer
	return &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{{
		Action: batchv1.PodFailurePolicyActionFailJob,
		OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{
			ContainerName: &name, Operator: batchv1.PodFailurePolicyOnExitCodesOpIn,
			Values: []int32{int32(flow.Usage), int32(flow.Precondition), int32(flow.Corrupt)},
		},
	}}}
}

func (j CleanerJob) pod() corev1.PodSpec {
	no := false
	spec := corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, ServiceAccountName: j.ServiceAccount,
		AutomountServiceAccountToken: &no, EnableServiceLinks: &no,
		SecurityContext: j.SecurityContext.DeepCopy(), NodeSelector: maps.Clone(j.NodeSelector), Tolerations: slices.Clone(j.Tolerations),
		Containers: []corev1.Container{j.container()},
	}
	if spec.SecurityContext == nil {
		spec.SecurityContext = SecurityContextOf(OperatorUser)
	}
	if j.NodeAffinity != nil {
		spec.Affinity = &corev1.Affinity{NodeAffinity: j.NodeAffinity.DeepCopy()}
	}
	for _, name := range j.PullSecrets {
		spec.ImagePullSecrets = append(spec.ImagePullSecrets, corev1.LocalObjectReference{Name: name})
	}
	for i, claim := range j.Claims() {
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: volumeName(i), VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
		}})
	}
	return spec
}

func volumeName(i int) string { return fmt.Sprintf("volume-%d", i) }

// Claims are the names of the claims; one may be mounted at several places.
func (j CleanerJob) Claims() []string {
	var names []string
	for _, m := range j.Mounts {
		if !slices.Contains(names, m.Name) {
			names = append(names, m.Name)
		}
	}
	return names
}

func (j CleanerJob) container() corev1.Container {
	c := corev1.Container{
		Name: CleanerContainer, Image: j.Image, Command: j.command(),
		// What it said last outlives its log.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		Resources:                CleanerResources(), SecurityContext: j.restricted(),
	}
	if j.Resources != nil {
		c.Resources = *j.Resources.DeepCopy()
	}
	claims := j.Claims()
	for _, m := range j.Mounts {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: volumeName(slices.Index(claims, m.Name)), MountPath: m.Mount})
	}
	return c
}

// CleanerResources are enough for a node of some hundred thousand files. A namespace with a quota takes no pod without limits.
func CleanerResources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
		Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("1Gi")},
	}
}

// restricted is what the pod security standard of that name asks for, as far as the user allows it: files of root need root.
// The cleaner needs no more than the owner of the files has.
func (j CleanerJob) restricted() *corev1.SecurityContext {
	yes, no := true, false
	s := &corev1.SecurityContext{
		AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	pod := j.SecurityContext
	if pod == nil || pod.RunAsUser == nil || *pod.RunAsUser != 0 {
		s.RunAsNonRoot = &yes
	}
	if pod == nil || pod.SeccompProfile == nil || pod.SeccompProfile.Type == corev1.SeccompProfileTypeUnconfined {
		s.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
	}
	return s
}

// command is what cmd/casshook-agent/clean.go takes.
func (j CleanerJob) command() []string {
	argv := []string{agentInImage, "clean"}
	value := func(flag, value string) {
		if value != "" {
			argv = append(argv, "--"+flag+"="+value)
		}
	}
	say := func(flag string, on bool) {
		if on {
			argv = append(argv, "--"+flag)
		}
	}
	if len(j.Mounts) > 0 {
		value("volume", j.Mounts[0].Mount)
	}
	for _, dir := range j.DataDirs {
		value("data", dir)
	}
	value("commitlog", j.CommitLog)
	value("hints", j.Hints)
	value("saved-caches", j.SavedCaches)
	value("cdc", j.CDC)
	value("backup", j.Backup)
	value("volume-id", j.VolumeID)
	value("node-host-id", j.HostID)
	if j.ForgetPeers {
		value("peers", "forget")
	}
	say("in-place", j.InPlace)
	say("restored", j.Restored)
	say("again", j.Again)
	say("dry-run", j.DryRun)
	say("full", j.Full)
	return append(argv, "-o", "json")
}

// OperatorUser is whom cass-operator runs its pods as where the user gives no security
// context (pkg/reconciliation/construct_podtemplatespec.go).
const OperatorUser = 999

// OwnerContext runs a pod as the owner of files that are there, and passes the restricted
// pod security standard, unless that is root. Without a group of the file system, the
// kubelet changes no file.
func OwnerContext(user, group int64) *corev1.PodSecurityContext {
	nonRoot := user != 0
	return &corev1.PodSecurityContext{RunAsUser: &user, RunAsGroup: &group, RunAsNonRoot: &nonRoot}
}

// SecurityContextOf runs a pod as a user and the group of the same number, as cass-operator does.
func SecurityContextOf(user int64) *corev1.PodSecurityContext {
	yes, policy := true, corev1.FSGroupChangeOnRootMismatch
	return &corev1.PodSecurityContext{RunAsUser: &user, RunAsGroup: &user, FSGroup: &user, RunAsNonRoot: &yes, FSGroupChangePolicy: &policy}
}
