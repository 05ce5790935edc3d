package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	snapshotapi "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	snapshotfake "github.com/kubernetes-csi/external-snapshotter/client/v8/clientset/versioned/fake"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// fakeVolumes remember what was asked and answer with err.
type fakeVolumes struct {
	created []*csi.CreateVolumeRequest
	deleted []string
	err     error
}

var _ volumeService = (*fakeVolumes)(nil)

func (f *fakeVolumes) CreateVolume(_ context.Context, q *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	f.created = append(f.created, q)
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{VolumeId: q.GetName(), CapacityBytes: q.GetCapacityRange().GetRequiredBytes()}}, f.err
}

func (f *fakeVolumes) DeleteVolume(_ context.Context, q *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	f.deleted = append(f.deleted, q.GetVolumeId())
	return &csi.DeleteVolumeResponse{}, f.err
}

func newClaim(change ...func(*core.PersistentVolumeClaim)) *core.PersistentVolumeClaim {
	class := "casshook"
	c := &core.PersistentVolumeClaim{
		ObjectMeta: meta.ObjectMeta{Namespace: "ns", Name: "data-0", UID: "uid-0", Annotations: map[string]string{
			annProvisioner: driverName, annSelectedNode: "n",
		}},
		Spec: core.PersistentVolumeClaimSpec{
			StorageClassName: &class, AccessModes: []core.PersistentVolumeAccessMode{core.ReadWriteOnce},
			Resources: core.VolumeResourceRequirements{Requests: core.ResourceList{core.ResourceStorage: resource.MustParse("1Gi")}},
		},
		Status: core.PersistentVolumeClaimStatus{Phase: core.ClaimPending},
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func newReleased(change ...func(*core.PersistentVolume)) *core.PersistentVolume {
	pv := &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: "pvc-9", UID: "uid-9", Annotations: map[string]string{annProvisionedBy: driverName}},
		Spec: core.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: core.PersistentVolumeReclaimDelete,
			PersistentVolumeSource:        core.PersistentVolumeSource{CSI: &core.CSIPersistentVolumeSource{Driver: driverName, VolumeHandle: "handle-9"}},
		},
		Status: core.PersistentVolumeStatus{Phase: core.VolumeReleased},
	}
	for _, f := range change {
		f(pv)
	}
	return pv
}

func dataSource(kind, group, name string) func(*core.PersistentVolumeClaim) {
	return func(c *core.PersistentVolumeClaim) {
		c.Spec.DataSource = &core.TypedLocalObjectReference{Kind: kind, Name: name}
		if group != "" {
			c.Spec.DataSource.APIGroup = &group
		}
	}
}

// cluster is a provisioner on fakes.
type cluster struct {
	*provisioner
	fake    *fake.Clientset
	volumes *fakeVolumes
}

func newCluster(kube []runtime.Object, snaps ...runtime.Object) *cluster {
	class := &storage.StorageClass{ObjectMeta: meta.ObjectMeta{Name: "casshook"}, Provisioner: driverName}
	client := fake.NewClientset(append(kube, class)...)
	v := &fakeVolumes{}
	//lint:ignore SA1019 the snapshot client has no other fake
	snapshots := snapshotfake.NewSimpleClientset(snaps...)
	p := newProvisioner("n", v, client, snapshots, slog.New(slog.DiscardHandler))
	return &cluster{provisioner: p, fake: client, volumes: v}
}

func (c *cluster) events(t *testing.T) (found []string) {
	t.Helper()
	list, err := c.kube.CoreV1().Events("ns").List(t.Context(), meta.ListOptions{})
	require.NoError(t, err)
	for _, e := range list.Items {
		found = append(found, e.Reason+": "+e.Message)
	}
	return found
}

func TestWhichClaimsWait(t *testing.T) {
	t.Parallel()
	now := meta.Now()
	for name, c := range map[string]struct {
		change func(*core.PersistentVolumeClaim)
		want   bool
	}{
		"as it comes":         {func(*core.PersistentVolumeClaim) {}, true},
		"any node":            {func(c *core.PersistentVolumeClaim) { delete(c.Annotations, annSelectedNode) }, true},
		"the old annotation":  {func(c *core.PersistentVolumeClaim) { c.Annotations = map[string]string{annBetaProvisioner: driverName} }, true},
		"another node":        {func(c *core.PersistentVolumeClaim) { c.Annotations[annSelectedNode] = "m" }, false},
		"another driver":      {func(c *core.PersistentVolumeClaim) { c.Annotations[annProvisioner] = "x" }, false},
		"nobody chosen":       {func(c *core.PersistentVolumeClaim) { c.Annotations = nil }, false},
		"bound":               {func(c *core.PersistentVolumeClaim) { c.Status.Phase = core.ClaimBound }, false},
		"being bound":         {func(c *core.PersistentVolumeClaim) { c.Spec.VolumeName = "pv" }, false},
		"being deleted":       {func(c *core.PersistentVolumeClaim) { c.DeletionTimestamp = &now }, false},
		"without a class":     {func(c *core.PersistentVolumeClaim) { c.Spec.StorageClassName = nil }, false},
		"lost its old volume": {func(c *core.PersistentVolumeClaim) { c.Status.Phase = core.ClaimLost }, false},
	} {
		require.Equal(t, c.want, waits(newClaim(c.change), "n"), name)
	}
}

func TestWhichVolumesAreReclaimed(t *testing.T) {
	t.Parallel()
	now := meta.Now()
	for name, c := range map[string]struct {
		change func(*core.PersistentVolume)
		want   bool
	}{
		"released": {func(*core.PersistentVolume) {}, true},
		"bound":    {func(v *core.PersistentVolume) { v.Status.Phase = core.VolumeBound }, false},
		"failed":   {func(v *core.PersistentVolume) { v.Status.Phase = core.VolumeFailed }, false},
		"retained": {func(v *core.PersistentVolume) {
			v.Spec.PersistentVolumeReclaimPolicy = core.PersistentVolumeReclaimRetain
		}, false},
		"another driver": {func(v *core.PersistentVolume) { v.Spec.CSI.Driver = "x" }, false},
		"no driver":      {func(v *core.PersistentVolume) { v.Spec.CSI = nil }, false},
		"made by hand":   {func(v *core.PersistentVolume) { v.Annotations = nil }, false},
		"being deleted":  {func(v *core.PersistentVolume) { v.DeletionTimestamp = &now }, false},
	} {
		require.Equal(t, c.want, released(newReleased(c.change)), name)
	}
}

func TestProvision(t *testing.T) {
	t.Parallel()
	c := newCluster([]runtime.Object{newClaim()})
	require.NoError(t, c.pass(t.Context()))
	require.Len(t, c.volumes.created, 1)
	require.Equal(t, int64(1<<30), c.volumes.created[0].GetCapacityRange().GetRequiredBytes())
	require.Nil(t, c.volumes.created[0].GetVolumeContentSource())
	_, err := readWanted(c.volumes.created[0])
	require.NoError(t, err, "the controller takes what the provisioner asks")

	pv, err := c.kube.CoreV1().PersistentVolumes().Get(t.Context(), "pvc-uid-0", meta.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, types.UID("uid-0"), pv.Spec.ClaimRef.UID)
	require.Equal(t, "pvc-uid-0", pv.Spec.CSI.VolumeHandle)
	require.Equal(t, core.PersistentVolumeReclaimDelete, pv.Spec.PersistentVolumeReclaimPolicy)
	require.Equal(t, []string{"n"}, pv.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values)
	require.Equal(t, "1Gi", pv.Spec.Capacity.Storage().String())
	require.Equal(t, []string{"ProvisioningSucceeded: volume pvc-uid-0"}, c.events(t))

	pv.Status.Phase = core.VolumeReleased
	require.True(t, released(pv), "what it makes it deletes one day")

	require.NoError(t, c.pass(t.Context()), "the list may be older than the volume")
	require.Len(t, c.events(t), 1)
}

func TestProvisionRefuses(t *testing.T) {
	t.Parallel()
	other, elsewhere := "other", "elsewhere"
	block := core.PersistentVolumeBlock
	for name, c := range map[string]struct {
		change func(*core.PersistentVolumeClaim)
		want   string
	}{
		"no class":          {func(c *core.PersistentVolumeClaim) { c.Spec.StorageClassName = &other }, `get storage class: storageclasses.storage.k8s.io "other" not found`},
		"no snapshot":       {dataSource("VolumeSnapshot", snapshotapi.GroupName, "nope"), "get snapshot: "},
		"not ready":         {dataSource("VolumeSnapshot", snapshotapi.GroupName, "young"), "snapshot young is not ready"},
		"too small":         {dataSource("VolumeSnapshot", snapshotapi.GroupName, "large"), "requested size 1Gi is less than the size 2Gi of the source snapshot"},
		"another's content": {dataSource("VolumeSnapshot", snapshotapi.GroupName, "foreign"), "content c-foreign is of another driver"},
		"a false content":   {dataSource("VolumeSnapshot", snapshotapi.GroupName, "thief"), "content c-good is of another snapshot"},
		"an older one's":    {dataSource("VolumeSnapshot", snapshotapi.GroupName, "reborn"), "content c-reborn is of another snapshot"},
		"wrong group":       {dataSource("VolumeSnapshot", "", "good"), "data source VolumeSnapshot  is not supported"},
		"unknown kind":      {dataSource("Book", "library", "b"), "data source Book library is not supported"},
		"no claim":          {dataSource("PersistentVolumeClaim", "", "nope"), "get source claim: "},
		"claim not bound":   {dataSource("PersistentVolumeClaim", "", "unbound"), "source claim unbound is not bound"},
		"another's claim":   {dataSource("PersistentVolumeClaim", "", "foreign"), "source claim foreign is of another driver"},
		"only a reference": {func(c *core.PersistentVolumeClaim) {
			c.Spec.DataSourceRef = &core.TypedObjectReference{Kind: "Book", Name: "b"}
		}, "data source Book  is not supported"},
		"another namespace": {func(c *core.PersistentVolumeClaim) {
			c.Spec.DataSourceRef = &core.TypedObjectReference{Kind: "PersistentVolumeClaim", Name: "good", Namespace: &elsewhere}
		}, "a data source in another namespace is not supported"},
		"block": {func(c *core.PersistentVolumeClaim) { c.Spec.VolumeMode = &block }, "block volumes are not supported"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kube, snaps := sources()
			cl := newCluster(append(kube, newClaim(c.change)), snaps...)
			l := newLab(t)
			cl.provisioner.volumes = l.controller
			for range 2 {
				require.NoError(t, cl.pass(t.Context()))
			}
			events := cl.events(t)
			require.Len(t, events, 1, "the same problem is told once")
			require.True(t, strings.HasPrefix(events[0], "ProvisioningFailed: "), events[0])
			require.Contains(t, events[0], c.want)
			require.Empty(t, l.sub.calls, "no volume was made")
			_, err := cl.kube.CoreV1().PersistentVolumes().Get(t.Context(), "pvc-uid-0", meta.GetOptions{})
			require.Error(t, err)
		})
	}
}

// sources are objects that claims can be copies of, good and bad.
func sources() (kube, snaps []runtime.Object) {
	yes, no := true, false
	snap := func(name, content string, ready *bool, size string) {
		least := resource.MustParse(size)
		snaps = append(snaps, &snapshotapi.VolumeSnapshot{
			ObjectMeta: meta.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID("u-" + name)},
			Status:     &snapshotapi.VolumeSnapshotStatus{ReadyToUse: ready, BoundVolumeSnapshotContentName: &content, RestoreSize: &least},
		})
	}
	content := func(name, of, driver string) {
		handle := "h-" + name
		snaps = append(snaps, &snapshotapi.VolumeSnapshotContent{
			ObjectMeta: meta.ObjectMeta{Name: name},
			Spec: snapshotapi.VolumeSnapshotContentSpec{Driver: driver, VolumeSnapshotRef: core.ObjectReference{
				Namespace: "ns", Name: of, UID: types.UID("u-" + of),
			}},
			Status: &snapshotapi.VolumeSnapshotContentStatus{SnapshotHandle: &handle},
		})
	}
	snap("good", "c-good", &yes, "1Gi")
	snap("young", "c-good", &no, "1Gi")
	snap("large", "c-good", &yes, "2Gi")
	snap("foreign", "c-foreign", &yes, "1Gi")
	snap("thief", "c-good", &yes, "1Gi")
	snap("reborn", "c-reborn", &yes, "1Gi")
	content("c-good", "good", driverName)
	content("c-reborn", "reborn", driverName)
	snaps[len(snaps)-1].(*snapshotapi.VolumeSnapshotContent).Spec.VolumeSnapshotRef.UID = "u-before"
	content("c-foreign", "foreign", "x")
	claim := func(name, pv string, phase core.PersistentVolumeClaimPhase) {
		kube = append(kube, &core.PersistentVolumeClaim{
			ObjectMeta: meta.ObjectMeta{Namespace: "ns", Name: name}, Spec: core.PersistentVolumeClaimSpec{VolumeName: pv},
			Status: core.PersistentVolumeClaimStatus{Phase: phase},
		})
	}
	bound := func(v *core.PersistentVolume) { v.Status.Phase = core.VolumeBound }
	kube = append(kube, newReleased(bound), newReleased(bound, func(v *core.PersistentVolume) { v.Name, v.Spec.CSI.Driver = "pv-x", "x" }))
	claim("good", "pvc-9", core.ClaimBound)
	claim("unbound", "", core.ClaimPending)
	claim("foreign", "pv-x", core.ClaimBound)
	return kube, snaps
}

func TestProvisionCopies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*core.PersistentVolumeClaim)
		want   *csi.VolumeContentSource
	}{
		"snapshot": {dataSource("VolumeSnapshot", snapshotapi.GroupName, "good"), fromSnapshot("h-c-good")},
		"claim":    {dataSource("PersistentVolumeClaim", "", "good"), fromVolume("handle-9")},
		"reference": {func(c *core.PersistentVolumeClaim) {
			c.Spec.DataSourceRef = &core.TypedObjectReference{Kind: "PersistentVolumeClaim", Name: "good"}
		}, fromVolume("handle-9")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kube, snaps := sources()
			cl := newCluster(append(kube, newClaim(c.change)), snaps...)
			require.NoError(t, cl.pass(t.Context()))
			require.Len(t, cl.volumes.created, 1)
			require.Equal(t, c.want, cl.volumes.created[0].GetVolumeContentSource())
		})
	}
}

func TestReclaim(t *testing.T) {
	t.Parallel()
	c := newCluster([]runtime.Object{newReleased()})
	c.volumes.err = status.Error(codes.FailedPrecondition, "still mounted")
	require.NoError(t, c.pass(t.Context()))
	_, err := c.kube.CoreV1().PersistentVolumes().Get(t.Context(), "pvc-9", meta.GetOptions{})
	require.NoError(t, err, "the object stays as long as the volume")
	require.Len(t, c.told, 1)

	c.volumes.err = nil
	require.NoError(t, c.pass(t.Context()))
	require.Equal(t, []string{"handle-9", "handle-9"}, c.volumes.deleted)
	_, err = c.kube.CoreV1().PersistentVolumes().Get(t.Context(), "pvc-9", meta.GetOptions{})
	require.Error(t, err)
	require.NoError(t, c.pass(t.Context()))
	require.Empty(t, c.told, "what is gone is forgotten")
}

// What the list says may be old: the decision to delete is made by a fresh read.
func TestReclaimReadsAgain(t *testing.T) {
	t.Parallel()
	c := newCluster([]runtime.Object{newReleased(func(v *core.PersistentVolume) {
		v.Spec.PersistentVolumeReclaimPolicy = core.PersistentVolumeReclaimRetain
	})})
	c.fake.PrependReactor("list", "persistentvolumes", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, &core.PersistentVolumeList{Items: []core.PersistentVolume{*newReleased()}}, nil
	})
	require.NoError(t, c.pass(t.Context()))
	require.Empty(t, c.volumes.deleted)
}

func TestAnAPIServerThatGoesAndComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster([]runtime.Object{newClaim()})
		asked := 0
		c.fake.PrependReactor("list", "persistentvolumeclaims", func(clienttesting.Action) (bool, runtime.Object, error) {
			asked++
			return asked <= 3, nil, errors.New("connection refused")
		})
		var text strings.Builder
		c.log = slog.New(slog.NewTextHandler(&text, nil))
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		c.run(ctx, time.Second)
		require.Equal(t, 4, asked)
		require.Len(t, c.volumes.created, 1)
		require.Equal(t, 1, strings.Count(text.String(), "trying on"), text.String())
		require.Equal(t, 1, strings.Count(text.String(), "listed again"), text.String())
	})
}
