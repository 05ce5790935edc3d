package generate

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/casshook/casshook/pkg/blueprint"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// jobTTL is for how many seconds a finished Job stays: a day to read its log.
const jobTTL = int32(86400)

const aboutCleaner = "Restores stopped nodes offline: one Job per volume. Use kubectl apply -f; see README.md.\n"

const aboutRestored = "--restored: apply this only to volumes restored from a restore point. On the original volumes, all writes since the backup\n" +
	"would be lost. casshook clean checks this for you."

const aboutInPlace = "--in-place: rolls back the original volumes. All writes since the backup are lost."

// cleaner is a file of Jobs for every namespace.
func (g *generator) cleaner() {
	about := aboutCleaner + aboutRestored
	if g.Cleaner.InPlace {
		about = aboutCleaner + aboutInPlace
	}
	var resources []string
	for _, namespace := range g.Namespaces {
		file := "clean-" + namespace + ".yaml"
		var jobs []object
		for _, claim := range g.Cleaner.Claims {
			jobs = append(jobs, g.cleanerJob(namespace, claim))
		}
		g.yaml(cleanerDir+"/"+file, KindCleaner, EveryStrategy, about, jobs...)
		resources = append(resources, file)
	}
	g.kustomize(cleanerDir, EveryStrategy, resources...)
	g.readme(cleanerDir, "cleaner", EveryStrategy)
}

// cleanerJob is the Job that casshook itself makes, as a file.
func (o *Options) cleanerJob(namespace, claim string) object {
	c := &o.Cleaner
	ttl := jobTTL
	job := objects.CleanerJob{
		Namespace: namespace, Claim: claim, Image: o.Image, PullSecrets: c.ImagePullSecrets, ServiceAccount: c.ServiceAccount,
		Mounts: []objects.Claim{{Name: claim, Mount: c.MountPath}}, DataDirs: c.DataDirectories,
		Backup: c.Backup, ForgetPeers: c.Peers == forgetPeers, InPlace: c.InPlace, Again: c.Again, Restored: !c.InPlace,
		Resources: requirements(c.Resources), SecurityContext: c.SecurityContext.pod(), NodeSelector: c.NodeSelector, Tolerations: podTolerations(c.Tolerations),
		NodeAffinity: inZones(c.Zones[claim]), TTL: &ttl,
	}
	if log := c.CommitLog; log.Volume != "" {
		job.Mounts = append(job.Mounts, objects.Claim{Name: c.commitLogClaim(claim), Mount: log.MountPath, CommitLog: true})
		job.CommitLog = log.MountPath
		if log.Directory != "" {
			job.CommitLog = log.Directory
		}
	}
	return object{manifest(job.Object()), nil}
}

// manifest is an object of Kubernetes as a person would write it: no nulls, and none
// of what the API server fills in.
func manifest(value any) map[string]any {
	u, err := runtime.DefaultUnstructuredConverter.ToUnstructured(value)
	if err != nil {
		panic(fmt.Sprintf("manifest of %T: %v", value, err)) // a mistake of this package
	}
	delete(u, "status")
	dropNulls(u)
	return u
}

func dropNulls(value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, child := range v {
			if child == nil {
				delete(v, key)
			}
			dropNulls(child)
		}
	case []any:
		for _, child := range v {
			dropNulls(child)
		}
	}
}

// pod is what cass-operator sets where it is told no other.
func (c SecurityContext) pod() *corev1.PodSecurityContext {
	nonRoot, change := c.RunAsUser != 0, corev1.FSGroupChangeOnRootMismatch
	return &corev1.PodSecurityContext{
		RunAsUser: &c.RunAsUser, RunAsGroup: &c.RunAsGroup, RunAsNonRoot: &nonRoot, FSGroup: &c.FSGroup, FSGroupChangePolicy: &change,
	}
}

// resourcesOf and requirements are two spellings of one thing.
func resourcesOf(r corev1.ResourceRequirements) blueprint.Resources {
	return blueprint.Resources{Requests: quantities(r.Requests), Limits: quantities(r.Limits)}
}

func quantities(list corev1.ResourceList) map[string]string {
	words := map[string]string{}
	for name, q := range list {
		words[string(name)] = q.String()
	}
	return words
}

// requirements are those of validated options.
func requirements(r blueprint.Resources) *corev1.ResourceRequirements {
	parse := func(words map[string]string) corev1.ResourceList {
		list := corev1.ResourceList{}
		for name, text := range words {
			list[corev1.ResourceName(name)] = resource.MustParse(text)
		}
		return list
	}
	return &corev1.ResourceRequirements{Requests: parse(r.Requests), Limits: parse(r.Limits)}
}

func podTolerations(tolerations []blueprint.Toleration) []corev1.Toleration {
	var out []corev1.Toleration
	for _, t := range tolerations {
		out = append(out, corev1.Toleration{
			Key: t.Key, Operator: corev1.TolerationOperator(t.Operator), Value: t.Value, Effect: corev1.TaintEffect(t.Effect), TolerationSeconds: t.Seconds,
		})
	}
	return out
}

// inZones puts a pod into one of some zones; anywhere when there are none.
func inZones(zones []string) *corev1.NodeAffinity {
	if len(zones) == 0 {
		return nil
	}
	zone := corev1.NodeSelectorRequirement{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: zones}
	return &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{zone}}},
	}}
}
