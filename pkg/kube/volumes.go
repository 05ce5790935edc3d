package kube

import (
	"fmt"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Claim is a volume claim that a node's Cassandra uses.
type Claim struct {
	// Name and UID of the PersistentVolumeClaim, and the volume it is bound to.
	Name, UID, VolumeName string
	// Volume is the pod's name of it: server-data, or that of additionalVolumes.
	Volume string
	// Mount is where Cassandra's container has it.
	Mount string
	// CommitLog says that the configured commit log lies on it.
	CommitLog bool
}

// nodeVolumes are the volumes of a node.
type nodeVolumes struct {
	mount    string
	dataDirs []string
	// identity of the data volume; empty while its claim, named here, is not bound.
	identity, claim string
	claims          []Claim
}

// readVolumes finds Cassandra's files in a pod. Data directories outside the
// volume server-data are refused: documents, staging and data share one file
// system, or files could not be linked.
func readVolumes(d *Datacenter, pod *corev1.Pod, claims map[string]corev1.PersistentVolumeClaim) (nodeVolumes, error) {
	mounts := container(pod).VolumeMounts
	v := nodeVolumes{dataDirs: d.Config.DataDirs}
	for _, m := range mounts {
		if m.Name == dataVolume && v.mount == "" {
			v.mount = path.Clean(m.MountPath)
		}
	}
	if v.mount == "" {
		return v, fmt.Errorf("pod %s: the container %s does not mount the volume %s: its data cannot be found", pod.Name, cassandraContainer, dataVolume)
	}
	if len(v.dataDirs) == 0 {
		v.dataDirs = []string{path.Join(v.mount, defaultDataDir)}
	}
	for _, dir := range v.dataDirs {
		if m := mountOf(mounts, dir); m == nil || m.Name != dataVolume {
			return v, fmt.Errorf("pod %s: the data directory %s is not on the volume %s (%s): data on volumes of its own is not supported yet; "+
				"move it there, or leave data_file_directories out", pod.Name, dir, dataVolume, v.mount)
		}
	}
	v.claims = podClaims(d, pod, mounts, claims)
	for _, c := range v.claims {
		if c.Volume == dataVolume {
			v.claim, v.identity = c.Name, c.identity()
		}
	}
	return v, nil
}

// identity tells a restored volume from the original: another claim or another
// volume. The CSI handle would be closer to the storage, but stands in the
// PersistentVolume, which is cluster-scoped and so not readable with a Role; its
// name changes whenever a volume is made from a snapshot.
func (c Claim) identity() string {
	if c.UID == "" || c.VolumeName == "" {
		return ""
	}
	return "pvc/" + c.UID + "/" + c.VolumeName
}

// mountOf is the mount that a path of the container lies on: the deepest one.
func mountOf(mounts []corev1.VolumeMount, dir string) *corev1.VolumeMount {
	var found *corev1.VolumeMount
	dir = path.Clean(dir) + "/"
	for i, m := range mounts {
		at := strings.TrimSuffix(path.Clean(m.MountPath), "/") + "/"
		if strings.HasPrefix(dir, at) && (found == nil || len(m.MountPath) > len(found.MountPath)) {
			found = &mounts[i]
		}
	}
	return found
}

// podClaims are the claims that the container mounts.
func podClaims(d *Datacenter, pod *corev1.Pod, mounts []corev1.VolumeMount, claims map[string]corev1.PersistentVolumeClaim) []Claim {
	var found []Claim
	for _, volume := range pod.Spec.Volumes {
		if volume.PersistentVolumeClaim == nil {
			continue
		}
		for i, m := range mounts {
			if m.Name != volume.Name {
				continue
			}
			c := Claim{Name: volume.PersistentVolumeClaim.ClaimName, Volume: volume.Name, Mount: m.MountPath}
			c.CommitLog = d.Config.CommitLog != "" && mountOf(mounts, d.Config.CommitLog) == &mounts[i]
			if claim, ok := claims[c.Name]; ok {
				c.UID, c.VolumeName = string(claim.UID), claim.Spec.VolumeName
			}
			found = append(found, c)
		}
	}
	return found
}
