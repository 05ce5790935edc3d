package operatorstandin

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podTemplate is the user's template with what the operator adds. Where both say something, the user's wins, and
// the user's containers and volumes come first.
func (d *Datacenter) podTemplate(rack Rack, image string) (*corev1.PodTemplateSpec, error) {
	template := d.Spec.PodTemplateSpec.DeepCopy()
	if template == nil {
		template = &corev1.PodTemplateSpec{}
	}
	template.ObjectMeta = metav1.ObjectMeta{
		Labels: merged(template.Labels, d.operatorLabels(), d.rackLabels(rack.Name), map[string]string{stateLabel: readyToStart}),
		// The user's and those of spec.additionalAnnotations only: a template that changed by itself would restart the ring.
		Annotations: merged(template.Annotations, d.Spec.AdditionalAnnotations),
	}
	d.podDefaults(&template.Spec)
	template.Spec.Affinity = d.affinity(template.Spec.Affinity, rack)
	template.Spec.Volumes = d.volumes(template.Spec.Volumes)
	if image = image + ":" + d.Spec.ServerVersion; d.Spec.ServerImage != "" {
		image = d.Spec.ServerImage
	}
	config, err := d.configData()
	if err != nil {
		return nil, err
	}
	template.Spec.InitContainers = d.withConfig(template.Spec.InitContainers, rack, image, config)
	template.Spec.Containers = d.withServer(template.Spec.Containers, image)
	if d.manual() != nil {
		for i := range template.Spec.Containers {
			container := &template.Spec.Containers[i]
			container.VolumeMounts = combine(container.VolumeMounts, mountName, corev1.VolumeMount{Name: certsVolume, MountPath: certsPath})
		}
	}
	return template, nil
}

func (d *Datacenter) podDefaults(spec *corev1.PodSpec) {
	if spec.TerminationGracePeriodSeconds == nil {
		grace := int64(120)
		spec.TerminationGracePeriodSeconds = &grace
	}
	if spec.SecurityContext == nil {
		id, nonRoot := int64(999), true
		spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: &id, RunAsGroup: &id, FSGroup: &id, RunAsNonRoot: &nonRoot}
	}
	if name := orElse(d.Spec.ServiceAccountName, d.Spec.ServiceAccount); name != "" {
		spec.ServiceAccountName = name
	}
	if d.Spec.Networking != nil && d.Spec.Networking.HostNetwork {
		spec.HostNetwork, spec.DNSPolicy = true, corev1.DNSClusterFirstWithHostNet
	}
	if len(d.Spec.NodeSelector) > 0 {
		spec.NodeSelector = merged(spec.NodeSelector, d.Spec.NodeSelector)
	}
	spec.Tolerations = slices.Clone(d.Spec.Tolerations)
}

func orElse(first, second string) string {
	if first != "" {
		return first
	}
	return second
}

// affinity adds the node labels of datacenter and rack, and keeps nodes apart unless they may share a worker.
func (d *Datacenter) affinity(users *corev1.Affinity, rack Rack) *corev1.Affinity {
	all := users.DeepCopy()
	if all == nil {
		all = &corev1.Affinity{}
	}
	own := d.nodeAffinity(rack)
	given := []*corev1.NodeAffinity{own, all.NodeAffinity}
	apart := []*corev1.PodAntiAffinity{d.antiAffinity(), all.PodAntiAffinity}
	if rack.Affinity != nil {
		given, apart = append(given, rack.Affinity.NodeAffinity), append(apart, rack.Affinity.PodAntiAffinity)
	}
	all.NodeAffinity, all.PodAntiAffinity = joinNodeAffinity(given), joinAntiAffinity(apart)
	return all
}

func (d *Datacenter) nodeAffinity(rack Rack) *corev1.NodeAffinity {
	labels := merged(d.Spec.NodeAffinityLabels, rack.NodeAffinityLabels)
	if rack.Zone != "" {
		labels[corev1.LabelTopologyZone] = rack.Zone
	}
	var wanted []corev1.NodeSelectorRequirement
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		wanted = append(wanted, corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{labels[key]}})
	}
	if wanted == nil {
		return nil
	}
	return &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: wanted}}}}
}

func (d *Datacenter) antiAffinity() *corev1.PodAntiAffinity {
	if d.Spec.AllowMultipleNodesPerWorker {
		return nil
	}
	var labelled []metav1.LabelSelectorRequirement
	for _, label := range []string{clusterLabel, datacenterLabel, rackLabel} {
		labelled = append(labelled, metav1.LabelSelectorRequirement{Key: label, Operator: metav1.LabelSelectorOpExists})
	}
	return &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
		LabelSelector: &metav1.LabelSelector{MatchExpressions: labelled}, TopologyKey: corev1.LabelHostname}}}
}

func joinNodeAffinity(parts []*corev1.NodeAffinity) *corev1.NodeAffinity {
	var joined *corev1.NodeAffinity
	for _, part := range parts {
		switch {
		case part == nil:
		case joined == nil:
			joined = part.DeepCopy()
		default:
			joined.PreferredDuringSchedulingIgnoredDuringExecution = append(joined.PreferredDuringSchedulingIgnoredDuringExecution,
				part.PreferredDuringSchedulingIgnoredDuringExecution...)
			if required := part.RequiredDuringSchedulingIgnoredDuringExecution; required != nil {
				if joined.RequiredDuringSchedulingIgnoredDuringExecution == nil {
					joined.RequiredDuringSchedulingIgnoredDuringExecution = &corev1.NodeSelector{}
				}
				terms := &joined.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
				*terms = append(*terms, required.NodeSelectorTerms...)
			}
		}
	}
	return joined
}

func joinAntiAffinity(parts []*corev1.PodAntiAffinity) *corev1.PodAntiAffinity {
	var joined *corev1.PodAntiAffinity
	for _, part := range parts {
		switch {
		case part == nil:
		case joined == nil:
			joined = part.DeepCopy()
		default:
			joined.RequiredDuringSchedulingIgnoredDuringExecution = append(joined.RequiredDuringSchedulingIgnoredDuringExecution,
				part.RequiredDuringSchedulingIgnoredDuringExecution...)
			joined.PreferredDuringSchedulingIgnoredDuringExecution = append(joined.PreferredDuringSchedulingIgnoredDuringExecution,
				part.PreferredDuringSchedulingIgnoredDuringExecution...)
		}
	}
	return joined
}

// volumes are all that are no claims: those come from the claim templates.
func (d *Datacenter) volumes(users []corev1.Volume) []corev1.Volume {
	empty := func(name string) corev1.Volume {
		return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
	}
	own := []corev1.Volume{empty(configVolume), empty(logsVolume)}
	if d.readOnly() {
		own = append(own, empty(tmpVolume), empty(etcVolume))
	}
	if !d.Spec.DisableSystemLoggerSidecar {
		own = append(own, empty(vectorVolume))
	}
	for _, volume := range d.Spec.StorageConfig.AdditionalVolumes {
		if volume.VolumeSource != nil {
			own = append(own, corev1.Volume{Name: volume.Name, VolumeSource: *volume.VolumeSource})
		}
	}
	if manual := d.manual(); manual != nil {
		own = append(own, corev1.Volume{Name: certsVolume, VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: manual.ServerSecretName}}})
	}
	return combine(users, func(v corev1.Volume) string { return v.Name }, own...)
}

// combine is the user's list and what of the defaults it does not name.
func combine[T any](users []T, name func(T) string, defaults ...T) []T {
	all := slices.Clone(users)
	for _, value := range defaults {
		if !slices.ContainsFunc(users, func(have T) bool { return name(have) == name(value) }) {
			all = append(all, value)
		}
	}
	return all
}

// configData is spec.config with what the operator knows: the document that the config container gets.
func (d *Datacenter) configData() (string, error) {
	document := map[string]json.RawMessage{}
	if len(d.Spec.Config) > 0 {
		if err := json.Unmarshal(d.Spec.Config, &document); err != nil {
			return "", fmt.Errorf("read spec.config: %w", err)
		}
	}
	for key, value := range map[string]any{
		"cluster-info": map[string]any{
			"name":  d.Spec.ClusterName,
			"seeds": d.SeedServiceName() + "," + d.AdditionalSeedServiceName(),
		},
		"datacenter-info": map[string]any{
			"name": d.DatacenterName(), "graph-enabled": 0, "solr-enabled": 0, "spark-enabled": 0,
		},
	} {
		text, err := json.Marshal(value)
		if err != nil {
			return "", fmt.Errorf("write %s: %w", key, err)
		}
		document[key] = text
	}
	text, err := json.Marshal(document)
	if err != nil {
		return "", fmt.Errorf("write config: %w", err)
	}
	return string(text), nil
}
