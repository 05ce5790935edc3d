package stopped

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
)

// ownedBy has Jobs end as the cleaner does on volumes whose files belong to others: each
// refuses until it runs as the last owner of its claim's.
func ownedBy(t *testing.T, f *kubetest.Jobs, owners map[string][]wire.Owner) {
	refusal := func(pod string, spec corev1.PodSpec) *wire.Owner {
		claim := spec.Volumes[0].PersistentVolumeClaim.ClaimName
		user, group := int(*spec.SecurityContext.RunAsUser), int(*spec.SecurityContext.RunAsGroup)
		list := owners[claim]
		for i := len(list) - 1; i >= 0; i-- {
			if list[i] == (wire.Owner{UID: user, GID: group}) {
				if i == len(list)-1 {
					return nil
				}
				return &list[i+1]
			}
		}
		if len(list) == 0 {
			return nil
		}
		return &list[0]
	}
	logs := map[string]string{}
	f.Pod = func(p *corev1.Pod) {
		logs[p.Name] = kubetest.ResultLine(p.Name)
		if owner := refusal(p.Name, p.Spec); owner != nil {
			line, err := json.Marshal(wire.CleanResult{State: wire.StateOtherUser, Owner: owner})
			require.NoError(t, err)
			logs[p.Name] = string(line) + "\ncasshook-agent: the node's files belong to others\n"
			kubetest.Ends(int32(flow.Precondition), "Error", "")(p)
		}
	}
	f.Log = func(pod string, _ int) kubetest.PodLog { return kubetest.PodLog{Text: logs[pod]} }
}

// users are those of the Jobs that were made, in their order.
func users(f *kubetest.Jobs) (list []wire.Owner) {
	for _, job := range f.Made {
		s := job.Spec.Template.Spec.SecurityContext
		list = append(list, wire.Owner{UID: int(*s.RunAsUser), GID: int(*s.RunAsGroup)})
	}
	return list
}

func TestClaimsRunAsTheOwnerOfTheirFiles(t *testing.T) {
	t.Parallel()
	owner, first := wire.Owner{UID: 1000, GID: 1001}, wire.Owner{UID: objects.OperatorUser, GID: objects.OperatorUser}
	for name, tt := range map[string]struct {
		owners []wire.Owner
		runAs  int64
		want   []wire.Owner
		fails  string
	}{
		"cass-operator's user":    {nil, 0, []wire.Owner{first, first}, ""},
		"another":                 {[]wire.Owner{owner}, 0, []wire.Owner{first, owner, owner}, ""},
		"by the group":            {[]wire.Owner{{UID: 999, GID: 5}, owner}, 0, []wire.Owner{first, {UID: 999, GID: 5}, owner, owner}, ""},
		"root":                    {[]wire.Owner{{}}, 0, []wire.Owner{first, {}, {}}, ""},
		"said, and right":         {[]wire.Owner{{UID: 7, GID: 7}}, 7, []wire.Owner{{UID: 7, GID: 7}, {UID: 7, GID: 7}}, ""},
		"said, and wrong":         {[]wire.Owner{owner}, 7, []wire.Owner{{UID: 7, GID: 7}}, "uid 1000, gid 1001: run the cleaner as that user (--run-as)"},
		"one that is never right": {[]wire.Owner{{UID: 1}, {UID: 2}, {UID: 3}, {UID: 4}}, 0, []wire.Owner{first, {UID: 1}, {UID: 2}}, "uid 3, gid 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := kubetest.NewWorld(t)
			w.Absent["cassandradatacenters"] = true
			f := kubetest.RunJobs(w)
			w.PutClaim("server-data-a-0")
			ownedBy(t, f, map[string][]wire.Owner{"server-data-a-0": tt.owners})
			claims, err := NewClaims(t.Context(), w.Client, nil, Options{Image: "i", RunAs: tt.runAs})
			require.NoError(t, err)
			for _, dry := range []bool{true, false} {
				outcomes, err := claims.Clean(t.Context(), tasksOf(t, claims, func(c *ring.CleanTask) { c.DryRun = dry }), (&kubetest.Told{}).Tell)
				require.NoError(t, err)
				if tt.fails != "" {
					require.ErrorContains(t, outcomes[0].Err, tt.fails)
					require.Equal(t, flow.Precondition, flow.CodeOf(outcomes[0].Err))
					break
				}
				require.NoError(t, outcomes[0].Err)
				require.NotNil(t, outcomes[0].Result)
			}
			require.Equal(t, tt.want, users(f))
			last := f.Made[len(f.Made)-1].Spec.Template.Spec
			require.Equal(t, *last.SecurityContext.RunAsUser != 0, *last.SecurityContext.RunAsNonRoot)
			require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, last.Containers[0].SecurityContext.SeccompProfile.Type, "restricted pod security asks for it")
			require.Equal(t, tt.runAs != 0, last.SecurityContext.FSGroup != nil, "the kubelet changes no file of a volume that is looked at")
			require.Empty(t, w.List("batch", "jobs"))
		})
	}
}

// Several volumes may have several owners; those of a datacenter's nodes run as its pods.
func TestClaimsRunAsSeveralOwners(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	f := kubetest.RunJobs(w)
	w.PutStoppedDatacenter("prod", "dc1", 1, []string{"r1"})
	w.PutClaim("server-data-x-0")
	ownedBy(t, f, map[string][]wire.Owner{"server-data-x-0": {{UID: 5, GID: 6}}, kubetest.FirstClaim: {{UID: 8, GID: 9}}})
	claims, err := NewClaims(t.Context(), w.Client, nil, Options{Image: "i"})
	require.NoError(t, err)
	outcomes, err := claims.Clean(t.Context(), tasksOf(t, claims), (&kubetest.Told{}).Tell)
	require.NoError(t, err)
	require.ErrorContains(t, outcomes[0].Err, "the files belong to uid 8, gid 9: run the cleaner as that user (--run-as)")
	require.NoError(t, outcomes[1].Err)
	require.ElementsMatch(t, []wire.Owner{{UID: 1000, GID: 1000}, {UID: 999, GID: 999}, {UID: 5, GID: 6}}, users(f))
}
