package datacenter

import (
	"fmt"
	"path"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/casshook/casshook/pkg/kube/objects"
)

// Volumes are the volumes of a node.
type Volumes struct {
	mount    string
	DataDirs []string
	// Identity of the data volume; empty while its claim, named here, is not bound.
	Identity, Claim string
	Claims          []objects.Claim
}

// VolumesOf finds Cassandra's files in a pod. Data directories outside the
// volume server-data are refused: documents, staging and data share one file
// system, or files could not be linked.
func VolumesOf(d *Datacenter, pod *corev1.Pod, claims map[string]corev1.PersistentVolumeClaim) (Volumes, error) {
	mounts := objects.Container(pod).VolumeMounts
	var v Volumes
	for _, m := range mounts {
		if m.Name == objects.DataVolume && v.mount == "" {
			v.mount = path.Clean(m.MountPath)
		}
	}
	if v.mount == "" {
		return v, fmt.Errorf("pod %s: the container %s does not mount the volume %s: its data cannot be found", pod.Name, objects.CassandraContainer, objects.DataVolume)
	}
	v.DataDirs = dataDirs(d.Config, v.mount)
	for _, dir := range v.DataDirs {
		if m := objects.MountOf(mounts, dir); m == nil || m.Name != objects.DataVolume {
			return v, fmt.Errorf("pod %s: the data directory %s is not on the volume %s (%s): data on volumes of its own is not supported yet; "+
				"move it there, or remove data_file_directories or local_system_data_file_directory", pod.Name, dir, objects.DataVolume, v.mount)
		}
	}
	v.Claims = podClaims(d, pod, mounts, claims)
	for _, c := range v.Claims {
		if c.Volume == objects.DataVolume {
			v.Claim, v.Identity = c.Name, c.Identity()
		}
	}
	return v, nil
}

// dataDirs are the data directories, and that of system tables where it is another.
func dataDirs(c Config, mount string) []string {
	dirs := slices.Clone(c.DataDirs)
	if len(dirs) == 0 {
		dirs = []string{path.Join(mount, objects.DefaultDataDir)}
	}
	if c.SystemDir != "" && !slices.Contains(dirs, c.SystemDir) {
		dirs = append(dirs, c.SystemDir)
	}
	return dirs
}

// podClaims are the claims that the container mounts.
func podClaims(d *Datacenter, pod *corev1.Pod, mounts []corev1.VolumeMount, claims map[string]corev1.PersistentVolumeClaim) []objects.Claim {
	var found []objects.Claim
	for _, volume := range pod.Spec.Volumes {
		if volume.PersistentVolumeClaim == nil {
			continue
		}
		for i, m := range mounts {
			if m.Name != volume.Name {
				continue
			}
			c := objects.Claim{Name: volume.PersistentVolumeClaim.ClaimName, Volume: volume.Name, Mount: m.MountPath}
			c.CommitLog = d.Config.CommitLog != "" && objects.MountOf(mounts, d.Config.CommitLog) == &mounts[i]
			if claim, ok := claims[c.Name]; ok {
				c.UID, c.VolumeName = string(claim.UID), claim.Spec.VolumeName
			}
			found = append(found, c)
		}
	}
	return found
}
