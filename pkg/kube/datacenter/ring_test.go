package datacenter

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
)

func TestNodes(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("My_Prod 1", "dc1", 2)
	target := ringOf(w)
	require.Equal(t, "My_Prod 1", target.ClusterName())
	nodes, err := target.Nodes(t.Context())
	require.NoError(t, err)
	node := func(name, address string) ring.Node {
		return ring.Node{Address: address, CQLPort: 9042, Node: wire.Node{
			Name: name, Volume: "/var/lib/cassandra", DataDirs: []string{"/var/lib/cassandra/data"}, API: "unix:///tmp/oss-mgmt.sock",
			Nodetool: []string{"nodetool"}, VolumeID: "pvc/claim-uid-server-data-" + name + "/pv-server-data-" + name,
		}}
	}
	require.Equal(t, []ring.Node{node("set-dc1-0", "10.0.0.1"), node("set-dc1-1", "10.0.0.2")}, nodes)
	require.Equal(t, []objects.Claim{{Name: "server-data-set-dc1-0", UID: "claim-uid-server-data-set-dc1-0", VolumeName: "pv-server-data-set-dc1-0",
		Volume: "server-data", Mount: "/var/lib/cassandra"}}, target.Claims("set-dc1-0"))
}

func TestNodesOfSeveralDatacenters(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc2", 1)
	w.PutDatacenter("prod", "dc1", 2, func(o map[string]any) { kubetest.In(o, "spec")["datacenterName"] = "dc2" }) // as Cassandra calls it
	w.PutDatacenter("other", "dc3", 1)
	targets, err := Find(t.Context(), w.Client, Selection{})
	require.NoError(t, err)
	require.Len(t, targets, 2)
	require.Equal(t, "other", targets[0].ClusterName())
	require.Equal(t, "prod", targets[1].ClusterName())
	nodes, err := targets[1].Nodes(t.Context())
	require.NoError(t, err)
	require.Len(t, nodes, 3)
	require.Equal(t, "dc2", targets[1].Datacenters()[0].CassandraName)
	require.Equal(t, "dc1", targets[1].Datacenters()[0].Name)
}

func TestNodesRefuses(t *testing.T) {
	t.Parallel()
	cassandra := func(o map[string]any) map[string]any {
		return o["status"].(map[string]any)["containerStatuses"].([]any)[1].(map[string]any)
	}
	for _, c := range []struct {
		name string
		edit func(*kubetest.World)
		want string
		// running is what is still wrong where running nodes are enough.
		running bool
	}{
		{"fewer nodes", func(w *kubetest.World) { w.Remove("", "pods", "set-dc1-1") }, "has 1 of its 2 nodes; missing pods: set-dc1-1", true},
		{"more nodes", func(w *kubetest.World) { w.Put("", "pods", kubetest.Pod("prod", "dc1", 2)) }, "has 3 of its 2 nodes", true},
		{"not of the operator", func(w *kubetest.World) {
			p := kubetest.Pod("prod", "dc1", 2)
			p.OwnerReferences = nil
			w.Put("", "pods", p)
		}, "pod set-dc1-2 has the labels of a Cassandra node", true},
		{"of another owner", kubetest.EditPod(func(o map[string]any) { kubetest.First(kubetest.In(o, "metadata")["ownerReferences"])["uid"] = "x" }), "not belong to the operator's StatefulSets", true},
		{"no container", kubetest.EditPod(func(o map[string]any) { kubetest.In(o, "spec")["containers"].([]any)[1].(map[string]any)["name"] = "x" }), "not belong to the operator's", true},
		{"being deleted", kubetest.EditPod(func(o map[string]any) { kubetest.In(o, "metadata")["deletionTimestamp"] = "2026-11-21T10:00:00Z" }), "is being deleted", true},
		{"pending", kubetest.EditPod(func(o map[string]any) { kubetest.In(o, "status")["phase"] = "Pending" }), "pod set-dc1-0 is Pending", true},
		{"crashing", kubetest.EditPod(func(o map[string]any) {
			cassandra(o)["state"] = map[string]any{"waiting": map[string]any{"reason": "CrashLoopBackOff"}}
		}), "no running container cassandra (waiting: CrashLoopBackOff)", true},
		{"no address", kubetest.EditPod(func(o map[string]any) { delete(kubetest.In(o, "status"), "podIP") }), "has no address yet", true},
		{"not started", kubetest.EditPod(func(o map[string]any) {
			kubetest.In(o, "metadata", "labels")["cassandra.datastax.com/node-state"] = "Starting"
		}), `is in state "Starting"`, false},
		{"not ready", kubetest.EditPod(func(o map[string]any) { cassandra(o)["ready"] = false }), "pod set-dc1-0 is not ready", false},
		{"claim missing", func(w *kubetest.World) { w.Remove("", "persistentvolumeclaims", "server-data-set-dc1-0") }, "its volume claim server-data-set-dc1-0 is missing or not bound", true},
		{"claim not bound", func(w *kubetest.World) {
			w.Edit("", "persistentvolumeclaims", "server-data-set-dc1-0", func(o map[string]any) { delete(kubetest.In(o, "spec"), "volumeName") })
		}, "missing or not bound", true},
		{"no data volume", kubetest.EditPod(func(o map[string]any) {
			kubetest.In(o, "spec")["containers"].([]any)[1].(map[string]any)["volumeMounts"] = []any{}
		}), "does not mount the volume server-data", true},
		{"stopped", func(w *kubetest.World) {
			w.Edit(kubetest.CassandraGroup, "cassandradatacenters", "dc1", func(o map[string]any) { kubetest.In(o, "spec")["stopped"] = true })
		}, "is stopped: if its volumes were restored", false},
		{"datacenter gone", func(w *kubetest.World) { w.Remove(kubetest.CassandraGroup, "cassandradatacenters", "dc1") }, `the datacenters of the cluster "prod" are gone`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := kubetest.NewWorld(t)
			w.PutDatacenter("prod", "dc1", 2)
			target := ringOf(w)
			c.edit(w)
			_, err := target.Nodes(t.Context())
			require.ErrorContains(t, err, c.want)
			target.Demand = Running
			_, err = target.Nodes(t.Context())
			if !c.running {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestVolumes(t *testing.T) {
	t.Parallel()
	extra := func(w *kubetest.World, mount string) {
		w.Edit("", "pods", "set-dc1-0", func(o map[string]any) {
			spec := kubetest.In(o, "spec")
			spec["volumes"] = append(spec["volumes"].([]any), map[string]any{"name": "extra", "persistentVolumeClaim": map[string]any{"claimName": "extra-set-dc1-0"}})
			cassandra := spec["containers"].([]any)[1].(map[string]any)
			cassandra["volumeMounts"] = append(cassandra["volumeMounts"].([]any), map[string]any{"name": "extra", "mountPath": mount})
		})
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: kubetest.Meta("prod", "dc1", "extra-set-dc1-0")}
		claim.UID, claim.Spec.VolumeName = "extra-uid", "extra-pv"
		w.Put("", "persistentvolumeclaims", claim)
	}
	for _, c := range []struct {
		name   string
		config map[string]any
		extra  string
		dirs   []string
		commit bool
		refuse string
	}{
		{"configured", map[string]any{"data_file_directories": []any{"/var/lib/cassandra/a/", "/var/lib/cassandra/b"}}, "", []string{"/var/lib/cassandra/a", "/var/lib/cassandra/b"}, false, ""},
		{"as one text", map[string]any{"data_file_directories": "/var/lib/cassandra/a"}, "", []string{"/var/lib/cassandra/a"}, false, ""},
		{"system tables elsewhere", map[string]any{"local_system_data_file_directory": "/var/lib/cassandra/system/"}, "", []string{"/var/lib/cassandra/data", "/var/lib/cassandra/system"}, false, ""},
		{"system tables outside", map[string]any{"local_system_data_file_directory": "/sys"}, "", nil, false, "the data directory /sys is not on the volume server-data"},
		{"odd", map[string]any{"data_file_directories": 7}, "", []string{"/var/lib/cassandra/data"}, false, ""},
		{"outside", map[string]any{"data_file_directories": []any{"/var/lib/cassandra2/data"}}, "", nil, false, "the data directory /var/lib/cassandra2/data is not on the volume server-data"},
		{"on a volume of its own", map[string]any{"data_file_directories": []any{"/data2"}}, "/data2", nil, false, "the data directory /data2 is not on"},
		{"under another mount", nil, "/var/lib/cassandra/data", nil, false, "the data directory /var/lib/cassandra/data is not on"},
		{"commit log", map[string]any{"commitlog_directory": "/commit/log"}, "/commit", []string{"/var/lib/cassandra/data"}, true, ""},
		{"other volume", map[string]any{"commitlog_directory": "/var/lib/cassandra/commitlog"}, "/commit", []string{"/var/lib/cassandra/data"}, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := kubetest.NewWorld(t)
			w.PutDatacenter("prod", "dc1", 1, func(o map[string]any) { kubetest.In(o, "spec", "config")["cassandra-yaml"] = c.config })
			if c.extra != "" {
				extra(w, c.extra)
			}
			target := ringOf(w)
			nodes, err := target.Nodes(t.Context())
			if c.refuse != "" {
				require.ErrorContains(t, err, c.refuse)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.dirs, nodes[0].DataDirs)
			if c.extra == "" {
				return
			}
			require.Equal(t, objects.Claim{Name: "extra-set-dc1-0", UID: "extra-uid", VolumeName: "extra-pv", Volume: "extra", Mount: c.extra, CommitLog: c.commit},
				target.Claims("set-dc1-0")[1])
		})
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		edit   func(*kubetest.World)
		want   ring.Credentials
		refuse string
	}{
		{"derived name", func(*kubetest.World) {}, ring.Credentials{Username: "admin", Password: "s3cret"}, ""},
		{"given name", func(w *kubetest.World) {
			w.Edit(kubetest.CassandraGroup, "cassandradatacenters", "dc1", func(o map[string]any) { kubetest.In(o, "spec")["superuserSecretName"] = "su" })
			w.Put("", "secrets", kubetest.Secret("su", "username", "root", "password", "p"))
		}, ring.Credentials{Username: "root", Password: "p"}, ""},
		{"missing", func(w *kubetest.World) { w.Remove("", "secrets", "prod-superuser") }, ring.Credentials{}, "datacenter db/dc1: its superuser secret is missing"},
		{"no password", func(w *kubetest.World) { w.Put("", "secrets", kubetest.Secret("prod-superuser", "username", "s3cret")) }, ring.Credentials{}, `key "password" is missing`},
		{"empty name", func(w *kubetest.World) {
			w.Put("", "secrets", kubetest.Secret("prod-superuser", "username", "", "password", "s3cret"))
		}, ring.Credentials{}, `key "username" is missing`},
		{"no text", func(w *kubetest.World) {
			w.Put("", "secrets", kubetest.Secret("prod-superuser", "username", "u", "password", "s3cret\xff"))
		}, ring.Credentials{}, `key "password" is missing or empty`},
		{"forbidden", func(w *kubetest.World) { w.Refuse = kubetest.Forbid("get /secrets") }, ring.Credentials{},
			"the service account may not get secrets in namespace db: add this permission to the Role (casshook generate rbac)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := kubetest.NewWorld(t)
			w.PutDatacenter("prod", "dc1", 1)
			c.edit(w)
			got, err := ringOf(w).Credentials(t.Context())
			if c.refuse != "" {
				require.ErrorContains(t, err, c.refuse)
				require.NotContains(t, err.Error(), "s3cret")
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

// Of a K8ssandraCluster only the first datacenter creates the superuser.
func TestCredentialsOfTheCreator(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 1, func(o map[string]any) {
		kubetest.In(o, "spec")["superuserSecretName"] = "copy"
		kubetest.In(o, "metadata", "annotations")["cassandra.datastax.com/skip-user-creation"] = "true"
	})
	w.PutDatacenter("prod", "dc2", 1)
	got, err := ringOf(w).Credentials(t.Context())
	require.NoError(t, err)
	require.Equal(t, "admin", got.Username)
}

func TestConfigSecret(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 1, func(o map[string]any) { kubetest.In(o, "spec")["configSecret"] = "conf" })
	target := ringOf(w)
	_, err := target.Nodes(t.Context())
	require.ErrorContains(t, err, "spec.configSecret: get secrets conf in namespace db")
	w.Put("", "secrets", kubetest.Secret("conf", "config", `{"keystore_password":"s3cret`))
	_, err = target.Nodes(t.Context())
	require.ErrorContains(t, err, `key "config" is missing or not a JSON object`)
	require.NotContains(t, err.Error(), "s3cret")
	w.Put("", "secrets", kubetest.Secret("conf", "config", `{"cassandra-yaml":{"native_transport_port":9999,"client_encryption_options":{"enabled":true},"native_transport_port_ssl":9142}}`))
	nodes, err := target.Nodes(t.Context())
	require.NoError(t, err)
	require.Equal(t, 9142, nodes[0].CQLPort)
	require.True(t, target.Datacenters()[0].Config.ClientEncryption)
}

func TestWaitReady(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 2, func(o map[string]any) { kubetest.In(o, "spec")["stopped"] = true })
	w.Remove("", "pods", "set-dc1-1")
	target := ringOf(w)
	waits := 0
	kubetest.ClockOf(w.Client).OnWait = func() {
		switch waits++; waits {
		case 3:
			w.Edit(kubetest.CassandraGroup, "cassandradatacenters", "dc1", func(o map[string]any) { kubetest.In(o, "spec")["stopped"] = false })
		case 5:
			w.Put("", "pods", kubetest.Pod("prod", "dc1", 1))
		}
	}
	var told []string
	require.NoError(t, target.WaitReady(t.Context(), time.Minute, func(m string) { told = append(told, m) }))
	require.Len(t, told, 2, "only changes are told")
	require.Contains(t, told[0], "is stopped")
	require.NotContains(t, told[1], "is stopped")
	require.Contains(t, told[1], "missing pods: set-dc1-1")
	require.Equal(t, 5, waits)
}

func TestWaitReadyEnds(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 1, func(o map[string]any) { kubetest.In(o, "spec")["stopped"] = true })
	err := ringOf(w).WaitReady(t.Context(), time.Minute, func(string) {})
	require.ErrorContains(t, err, "waited 1m0s for the ring to be ready: datacenter db/dc1 is stopped")
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
}
