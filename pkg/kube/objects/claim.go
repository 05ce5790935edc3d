package objects

import (
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

// Identity tells a restored volume from the original: another claim or another
// volume. The CSI handle would be closer to the storage, but stands in the
// PersistentVolume, which is cluster-scoped and so not readable with a Role; its
// name changes whenever a volume is made from a snapshot.
func (c Claim) Identity() string {
	if c.UID == "" || c.VolumeName == "" {
		return ""
	}
	return "pvc/" + c.UID + "/" + c.VolumeName
}

// MountOf is the mount that a path of the container lies on: the deepest one.
func MountOf(mounts []corev1.VolumeMount, dir string) *corev1.VolumeMount {
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
