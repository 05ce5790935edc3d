package operatorstandin

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCleanup(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ kubernetes, subdomain, value string }{
		"dc1":          {"dc1", "dc1", "dc1"},
		"cass-prd":     {"cass-prd", "cass-prd", "cass-prd"},
		"My Cluster":   {"mycluster", "mycluster", "MyCluster"},
		"Shop_One":     {"shop-one", "shop-one", "Shop_One"},
		"1st-dc":       {"st-dc", "1st-dc", "1st-dc"},
		"dc.east":      {"dceast", "dc.east", "dc.east"},
		"über":         {"ber", "ber", "ber"},
		"a!b@c":        {"abc", "abc", "abc"},
		"-edge-":       {"edge", "edge", "edge"},
		"Rack A/3":     {"racka", "racka3", "RackA3"},
		"trailing_":    {"trailing", "trailing", "trailing"},
		"UPPER_case 9": {"upper-case", "upper-case9", "UPPER_case9"},
	} {
		require.Equal(t, c.subdomain, CleanupSubdomain(name), name)
		require.Equal(t, c.value, CleanLabelValue(name), name)
		require.Equal(t, c.kubernetes, CleanupForKubernetes(name), name)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ cluster, dc, datacenterName, rack, set, claim, secret, additional string }{
		"plain": {"dse", "cass-prd", "", "default", "dse-cass-prd-default-sts",
			"server-data-dse-cass-prd-default-sts-0", "dse-superuser", "dse-cass-prd-additional-seed-service"},
		"odd": {"Shop One", "dc1", "East Side", "Rack_A", "shopone-dc1-rack-a-sts",
			"server-data-shopone-dc1-rack-a-sts-0", "shopone-superuser", "shopone-dc1-additional-seed-service"},
		"digits and dots": {"9lives", "dc.1", "", "1.b", "lives-dc-1.b-sts",
			"server-data-lives-dc-1.b-sts-0", "lives-superuser", "lives-dc-additional-seed-service"},
	} {
		dc := &Datacenter{Spec: Spec{ClusterName: c.cluster, DatacenterName: c.datacenterName}}
		dc.Name = c.dc
		require.Equal(t, c.set, dc.StatefulSetName(c.rack), name)
		require.Equal(t, c.claim, ClaimName(dataVolume, podName(dc.StatefulSetName(c.rack), 0)), name)
		require.Equal(t, c.secret, dc.SuperuserSecretName(), name)
		require.Equal(t, c.additional, dc.AdditionalSeedServiceName(), name)
		require.Equal(t, CleanLabelValue(c.dc), dc.datacenterLabels()[datacenterLabel], "the label has metadata.name")
	}
	dc := &Datacenter{Spec: Spec{ClusterName: "c", SuperuserSecretName: "root"}}
	require.Equal(t, "root", dc.SuperuserSecretName())
}

func TestSplit(t *testing.T) {
	t.Parallel()
	require.Equal(t, []int32{3, 2}, split(5, 2))
	require.Equal(t, []int32{1, 1, 1}, split(3, 3))
	for name, c := range map[string]struct {
		size  int32
		racks int
		want  []int32
	}{
		"three in one":     {6, 1, []int32{3}},
		"one of one":       {1, 1, []int32{1}},
		"two racks":        {6, 2, []int32{2, 1}},
		"one each of four": {8, 4, []int32{1, 1, 1, 1}},
	} {
		dc := &Datacenter{Spec: Spec{Size: c.size, Racks: make([]Rack, c.racks)}}
		require.Equal(t, c.want, dc.seeds(), name)
	}
	require.Equal(t, []int32{0, 0}, (&Datacenter{Spec: Spec{Size: 2, Stopped: true, Racks: make([]Rack, 2)}}).replicas())
}
