package objects

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestClaimIdentity(t *testing.T) {
	t.Parallel()
	require.Equal(t, "pvc/u/v", Claim{Name: "c", UID: "u", VolumeName: "v"}.Identity())
	require.Empty(t, Claim{UID: "u"}.Identity(), "not bound")
	require.Empty(t, Claim{VolumeName: "v"}.Identity(), "not there")
}

func TestMountOf(t *testing.T) {
	t.Parallel()
	mounts := []corev1.VolumeMount{{Name: "data", MountPath: "/var/lib/cassandra/"}, {Name: "log", MountPath: "/var/lib/cassandra/commitlog"}, {Name: "tmp", MountPath: "/tmp"}}
	for dir, want := range map[string]string{
		"/var/lib/cassandra": "data", "/var/lib/cassandra/data": "data", "/var/lib/cassandra/commitlog": "log", "/var/lib/cassandra/commitlog/x": "log",
		"/var/lib/cassandra/commitlog2": "data", "/tmp/../var/lib/cassandra": "data", "/var": "", "/": "",
	} {
		found := ""
		if m := MountOf(mounts, dir); m != nil {
			found = m.Name
		}
		require.Equal(t, want, found, dir)
	}
}
