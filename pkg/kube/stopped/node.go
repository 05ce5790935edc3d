package stopped

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/startconfig"
)

// node is a stopped node, and the Job for its volumes but for what it is to do.
type node struct {
	ring.StoppedNode
	job objects.CleanerJob
	// owners are asked whom the job runs as; nil where that is known.
	owners *owners
}

// claimName is the name that a StatefulSet gives a claim.
func claimName(volume, set string, ordinal int) string {
	return fmt.Sprintf("%s-%s-%d", volume, set, ordinal)
}

// nodes are those that the racks of a stopped datacenter will have.
func (s *stoppedDatacenter) nodes(o *datacenter.Objects, opts Options) ([]node, error) {
	var found []node
	var problems []error
	for i, share := range s.datacenter.Shares() {
		for ordinal := range share {
			node, err := nodeOf(s.datacenter, s.sets[i], ordinal, o.Claims, opts)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			found = append(found, node)
		}
	}
	return found, errors.Join(problems...)
}

// nodeOf makes the node of an ordinal as its pod would be.
func nodeOf(d *datacenter.Datacenter, set *appsv1.StatefulSet, ordinal int, claims map[string]corev1.PersistentVolumeClaim, opts Options) (node, error) {
	pod := podOf(set, ordinal)
	if objects.Container(pod) == nil {
		return node{}, fmt.Errorf("StatefulSet %s has no container %s", set.Name, objects.CassandraContainer)
	}
	v, err := datacenter.VolumesOf(d, pod, claims)
	if err != nil {
		return node{}, err
	}
	if v.Claim == "" {
		return node{}, fmt.Errorf("pod %s: the volume %s has no volume claim: its data is lost with the pod", pod.Name, objects.DataVolume)
	}
	if log := d.Config.CommitLog; log != "" && lasting(pod, log) == "" {
		return node{}, fmt.Errorf("pod %s: the commit log %s is not on a volume claim: it cannot be emptied while the node is stopped", pod.Name, log)
	}
	return node{
		StoppedNode: ring.StoppedNode{
			Name: pod.Name, Datacenter: d.CassandraName, Rack: set.Labels[objects.RackLabel], Volume: v.Claim, Identity: v.Identity,
			Config: startconfig.Config{Release: d.Release, NumTokens: d.Config.NumTokens, Compatibility: d.Config.Compatibility, AutoRepair: d.Config.AutoRepair, Known: !jvmByEnvironment(pod)},
		},
		job: jobAt(d, pod, v, opts),
	}, nil
}

// jvmByEnvironment tells whether options of the JVM may come from elsewhere than the
// datacenter's configuration.
func jvmByEnvironment(pod *corev1.Pod) bool {
	c := objects.Container(pod)
	return len(c.EnvFrom) > 0 || slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return strings.HasPrefix(e.Name, "JVM_") })
}

// podOf is the pod that the StatefulSet's controller would make.
func podOf(set *appsv1.StatefulSet, ordinal int) *corev1.Pod {
	pod := &corev1.Pod{Spec: *set.Spec.Template.Spec.DeepCopy()}
	pod.Namespace, pod.Name = set.Namespace, fmt.Sprintf("%s-%d", set.Name, ordinal)
	for _, template := range set.Spec.VolumeClaimTemplates {
		pod.Spec.Volumes = slices.DeleteFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == template.Name })
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: template.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claimName(template.Name, set.Name, ordinal)},
		}})
	}
	return pod
}

// jobAt runs where, and as whom, Cassandra would. Rules of placement among pods are left
// out: they are about Cassandra's.
func jobAt(d *datacenter.Datacenter, pod *corev1.Pod, v datacenter.Volumes, opts Options) objects.CleanerJob {
	job := objects.CleanerJob{
		Namespace: d.Namespace, Claim: v.Claim, Image: opts.Image, PullSecrets: slices.Clone(opts.PullSecrets),
		ServiceAccount: pod.Spec.ServiceAccountName, DataDirs: v.DataDirs,
		CommitLog: d.Config.CommitLog, Hints: lasting(pod, d.Config.Hints), SavedCaches: lasting(pod, d.Config.SavedCaches), CDC: lasting(pod, d.Config.CDC),
		SecurityContext: securityContext(pod, opts.RunAs), NodeSelector: pod.Spec.NodeSelector, Tolerations: pod.Spec.Tolerations, Once: true,
	}
	job.Mounts = append(job.Mounts, v.Claims...)
	slices.SortStableFunc(job.Mounts, func(a, b objects.Claim) int {
		return boolInt(b.Volume == objects.DataVolume) - boolInt(a.Volume == objects.DataVolume)
	})
	for _, ref := range pod.Spec.ImagePullSecrets {
		if !slices.Contains(job.PullSecrets, ref.Name) {
			job.PullSecrets = append(job.PullSecrets, ref.Name)
		}
	}
	if affinity := pod.Spec.Affinity; affinity != nil {
		job.NodeAffinity = affinity.NodeAffinity
	}
	return job
}

// lasting is a directory that lies on a volume claim; what does not is gone with the pod.
func lasting(pod *corev1.Pod, dir string) string {
	m := objects.MountOf(objects.Container(pod).VolumeMounts, dir)
	if dir == "" || m == nil {
		return ""
	}
	for _, v := range pod.Spec.Volumes {
		if v.Name == m.Name && v.PersistentVolumeClaim != nil {
			return dir
		}
	}
	return ""
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// securityContext is the pod's with what the container of Cassandra says otherwise. An
// empty one is left so, since OpenShift fills it in. Where one says something but no user, the image's holds,
// which is another in ours: it becomes that of Cassandra's images.
func securityContext(pod *corev1.Pod, runAs int64) *corev1.PodSecurityContext {
	if runAs != 0 {
		return objects.SecurityContextOf(runAs)
	}
	s := pod.Spec.SecurityContext.DeepCopy()
	if own := objects.Container(pod).SecurityContext; own != nil {
		if s == nil {
			s = &corev1.PodSecurityContext{}
		}
		s.RunAsUser, s.RunAsGroup = or(own.RunAsUser, s.RunAsUser), or(own.RunAsGroup, s.RunAsGroup)
		s.RunAsNonRoot, s.SELinuxOptions, s.SeccompProfile = or(own.RunAsNonRoot, s.RunAsNonRoot), or(own.SELinuxOptions, s.SELinuxOptions), or(own.SeccompProfile, s.SeccompProfile)
	}
	if s == nil || equality.Semantic.DeepEqual(s, &corev1.PodSecurityContext{}) {
		return pod.Spec.SecurityContext.DeepCopy()
	}
	user := int64(objects.OperatorUser)
	s.RunAsUser, s.RunAsGroup = or(s.RunAsUser, &user), or(s.RunAsGroup, &user)
	if policy := corev1.FSGroupChangeOnRootMismatch; s.FSGroup != nil {
		s.FSGroupChangePolicy = or(s.FSGroupChangePolicy, &policy) // the first pod of a volume changes all its files
	}
	return s
}

func or[T any](first, second *T) *T {
	if first != nil {
		return first
	}
	return second
}

// fit says why the claims of nodes cannot be worked on; all of it at once.
func fit(nodes []node, claims map[string]corev1.PersistentVolumeClaim, users map[string]string) error {
	var missing, problems []string
	for _, node := range nodes {
		for _, name := range node.job.Claims() {
			claim, there := claims[name]
			switch {
			case !there:
				missing = append(missing, name)
			case claim.DeletionTimestamp != nil:
				problems = append(problems, fmt.Sprintf("the volume claim %s is being deleted: wait until it is gone, and restore it again", name))
			case claim.Status.Phase == corev1.ClaimLost:
				problems = append(problems, fmt.Sprintf("the volume claim %s has lost its volume: restore it again", name))
			case users[name] != "":
				problems = append(problems, fmt.Sprintf("the volume claim %s is in use by the pod %s: delete that pod", name, users[name]))
			}
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		problems = append(problems, "restore the volumes first, these claims are missing: "+strings.Join(slices.Compact(missing), ", "))
	}
	if len(problems) == 0 {
		return nil
	}
	return flow.Failf(flow.Precondition, "%s", strings.Join(problems, "; "))
}

// usersOf are the pods that use claims, by claim: those that have not ended, and are not
// the cleaner's own, which are waited for.
func usersOf(pods []corev1.Pod) map[string]string {
	users := map[string]string{}
	for i := range pods {
		pod := &pods[i]
		if ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed; ended || cleaners(pod) {
			continue
		}
		for _, v := range pod.Spec.Volumes {
			if v.PersistentVolumeClaim != nil {
				users[v.PersistentVolumeClaim.ClaimName] = pod.Name
			}
		}
	}
	return users
}

// cleaners tells the pod of a cleaner's Job.
func cleaners(pod *corev1.Pod) bool {
	return pod.Labels[objects.ManagedByLabel] == objects.OwnName && strings.HasPrefix(pod.Labels[objects.JobLabel], objects.CleanerPrefix)
}

// sorted by name, as a copy.
func sorted(nodes []node) []node {
	return slices.SortedFunc(slices.Values(nodes), func(a, b node) int { return strings.Compare(a.Name, b.Name) })
}
