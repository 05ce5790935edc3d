package generate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/casshook/casshook/pkg/blueprint"
)

// requireRestricted checks what the pod security standard "restricted" asks of a container, whatever its pod says.
func requireRestricted(t *testing.T, c corev1.Container) {
	t.Helper()
	s := c.SecurityContext
	require.NotNil(t, s)
	require.NotNil(t, s.AllowPrivilegeEscalation)
	require.False(t, *s.AllowPrivilegeEscalation)
	require.NotNil(t, s.RunAsNonRoot)
	require.True(t, *s.RunAsNonRoot)
	require.NotNil(t, s.ReadOnlyRootFilesystem)
	require.True(t, *s.ReadOnlyRootFilesystem)
	require.NotNil(t, s.Capabilities)
	require.Equal(t, []corev1.Capability{"ALL"}, s.Capabilities.Drop)
	require.NotNil(t, s.SeccompProfile)
	require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, s.SeccompProfile.Type)
	require.Len(t, c.Resources.Requests, 2)
	require.Len(t, c.Resources.Limits, 2)
}

func TestPodsAreRestricted(t *testing.T) {
	t.Parallel()
	files, err := Generate(Default())
	require.NoError(t, err)
	tasks, jobs := 0, 0
	for _, f := range files {
		for document := range strings.SplitSeq(string(f.Content), "\n---\n") {
			var head struct{ Kind string }
			if strings.HasSuffix(f.Path, ".yaml") {
				require.NoError(t, yaml.Unmarshal([]byte(document), &head), f.Path)
			}
			switch head.Kind {
			case "Blueprint":
				var bp struct {
					Actions map[string]struct {
						Phases []struct {
							Args struct{ PodOverride corev1.PodSpec }
						}
						DeferPhase *struct {
							Args struct{ PodOverride corev1.PodSpec }
						}
					}
				}
				require.NoError(t, yaml.Unmarshal([]byte(document), &bp), f.Path)
				for _, action := range bp.Actions {
					for _, phase := range action.Phases {
						tasks++
						require.Len(t, phase.Args.PodOverride.Containers, 1)
						c := phase.Args.PodOverride.Containers[0]
						requireRestricted(t, c)
						require.Equal(t, int64(imageUser), *c.SecurityContext.RunAsUser, "Kasten would make it root")
					}
				}
			case "Job":
				var job batchv1.Job
				require.NoError(t, yaml.Unmarshal([]byte(document), &job), f.Path)
				jobs++
				requireRestricted(t, job.Spec.Template.Spec.Containers[0])
				require.Equal(t, int64(999), *job.Spec.Template.Spec.SecurityContext.RunAsUser)
			}
		}
	}
	require.GreaterOrEqual(t, tasks, 10)
	require.Equal(t, 3, jobs)
}

func TestUserAndResourcesOfPods(t *testing.T) {
	t.Parallel()
	o := Default()
	require.NoError(t, ReadConfig([]byte("apiVersion: casshook.io/v1\nkind: GenerateConfig\npodOverride: {runAsUser: 0}\ncleaner: {resources: {limits: {memory: 3Gi}}}\n"), &o))
	override := o.podOverride()
	require.Zero(t, override.Containers[0].SecurityContext.RunAsUser)
	text, err := yaml.Marshal(override)
	require.NoError(t, err)
	require.NotContains(t, string(text), "runAsUser", "OpenShift chooses it")
	limits := requirements(o.Cleaner.Resources).Limits
	require.Equal(t, "3Gi", limits.Memory().String())
	require.Equal(t, "2", limits.Cpu().String(), "what is not named stays")

	o.PodOverride.RunAsUser = -1
	o.Cleaner.Resources = blueprint.Resources{Requests: map[string]string{"memory": "2Gi"}, Limits: map[string]string{"memory": "1Gi", "gpu": "1"}}
	_, err = Generate(o)
	require.ErrorContains(t, err, "podOverride.runAsUser: -1")
	require.ErrorContains(t, err, `cleaner.resources.limits.memory: "1Gi" is less than the request`)
	require.ErrorContains(t, err, "gpu")
}
