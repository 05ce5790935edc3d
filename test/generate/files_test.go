// Package generate holds what casshook generate writes against those who read it: the published definitions of Kanister and
// cass-operator, the stand-ins' strict types of Kasten, Kubernetes' own types, kustomize, and casshook's command line.
package generate

import (
	"bytes"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/casshook/casshook/pkg/blueprint"
	"github.com/casshook/casshook/pkg/generate"
	"github.com/casshook/casshook/pkg/kube/objects"
	kastenstandin "github.com/casshook/casshook/test/lab/kasten-standin"
	"github.com/casshook/casshook/test/lab/kasten-standin/kanister"
)

// variants are sets of files of different options, by name.
func variants(t *testing.T) map[string][]generate.File {
	t.Helper()
	seconds := int64(60)
	rich := generate.Default()
	rich.Namespaces = []string{"on", "prod-1"}
	rich.Datacenter = "no"
	rich.Image = "host.example:5000/a/b:1.0"
	rich.ImagePullSecrets = []string{"registry"}
	rich.KastenNamespace = "kasten"
	rich.Frequency = "@daily"
	rich.RestorePoint = "point-1"
	rich.Hooks.AfterRestore.Flags["include"] = "shop.*,on.t"
	rich.Restore = generate.Restore{StopFirst: true}
	rich.Clone.Namespace = "off"
	rich.Hooks.BeforeRestore.Flags = map[string]string{"delete": "true"}
	rich.Cleaner.ImagePullSecrets = []string{"registry", "y"}
	rich.Cleaner.CommitLog = generate.CommitLog{Volume: "n", MountPath: "/1"}
	rich.Cleaner.Zones = map[string][]string{rich.Cleaner.Claims[0]: {"on", "1"}}
	rich.PodOverride.NodeSelector = map[string]string{"kubernetes.io/arch": "amd64", "y": "on"}
	rich.PodOverride.Tolerations = []blueprint.Toleration{{Operator: "Exists", Effect: "NoExecute", Seconds: &seconds}}
	rich.PodOverride.Resources.Limits = map[string]string{"memory": "512Mi", "cpu": "1"}
	all := map[string][]generate.File{}
	for name, o := range map[string]generate.Options{"default": generate.Default(), "rich": rich} {
		files, err := generate.Generate(o)
		require.NoError(t, err)
		all[name] = files
	}
	return all
}

// documents of a file.
func documents(f generate.File) [][]byte { return bytes.Split(f.Content, []byte("\n---\n")) }

// objectsOf decodes all objects of a kind.
func objectsOf(t *testing.T, files []generate.File, kind string) []map[string]any {
	t.Helper()
	var found []map[string]any
	for _, f := range files {
		if path.Ext(f.Path) != ".yaml" {
			continue
		}
		for _, document := range documents(f) {
			var value map[string]any
			require.NoError(t, yaml.UnmarshalStrict(document, &value), f.Path)
			if value["kind"] == kind {
				found = append(found, value)
			}
		}
	}
	return found
}

// blueprintsOf are all Blueprints.
func blueprintsOf(t *testing.T, files []generate.File) []*kanister.Blueprint {
	t.Helper()
	var found []*kanister.Blueprint
	for _, object := range objectsOf(t, files, blueprint.BlueprintKind) {
		content, err := yaml.Marshal(object)
		require.NoError(t, err)
		bp, err := kanister.Parse(content)
		require.NoError(t, err)
		require.NoError(t, kanister.Validate(bp), "phase names, functions, args")
		found = append(found, bp)
	}
	require.Len(t, found, 4)
	return found
}

// TestKasten has the stand-in read all objects that Kasten would.
func TestKasten(t *testing.T) {
	t.Parallel()
	for name, files := range variants(t) {
		catalog := &kastenstandin.Catalog{}
		for _, f := range files {
			// Kasten's RunAction says what the stand-in is told by its caller.
			if path.Ext(f.Path) == ".yaml" && f.Kind != generate.KindRun {
				require.NoError(t, catalog.Add(f.Content), "%s: %s", name, f.Path)
			}
		}
		require.Len(t, catalog.Blueprints, 4)
		require.Len(t, catalog.Bindings, 3)
		require.Len(t, catalog.Policies, 2)
		require.Len(t, catalog.TransformSets, 1)
		require.Len(t, catalog.RestoreActions, map[string]int{"default": 3, "rich": 6}[name])
		namespace := catalog.Policies["casshook-policy-hooks"].Namespace
		hooks := func(h kastenstandin.Hooks) {
			for _, hook := range []*kastenstandin.Hook{h.PreHook, h.OnSuccess, h.OnFailure} {
				if hook != nil {
					require.Contains(t, catalog.Blueprints, hook.Blueprint)
					require.Contains(t, catalog.Blueprints[hook.Blueprint].Actions, hook.ActionName)
				}
			}
		}
		for _, p := range catalog.Policies {
			require.Equal(t, namespace, p.Namespace)
			hooks(p.Spec.Actions[0].BackupParameters.Hooks)
		}
		for _, r := range catalog.RestoreActions {
			hooks(r.Spec.Hooks)
			require.Equal(t, r.Spec.TargetNamespace, r.Namespace)
			for _, transform := range r.Spec.Transforms {
				require.Contains(t, catalog.TransformSets, transform.TransformSetRef.Name)
				require.Equal(t, namespace, transform.TransformSetRef.Namespace)
			}
		}
		for _, b := range catalog.Bindings {
			require.Contains(t, catalog.Blueprints, b.Spec.BlueprintRef.Name)
			require.Equal(t, namespace, b.Spec.BlueprintRef.Namespace)
			require.Equal(t, namespace, b.Namespace)
			require.Len(t, b.Spec.Resources.MatchAll, 2)
			requirePlural(t, b.Spec.Resources.MatchAll[0].Type.Values[0])
			require.Equal(t, catalog.Policies["casshook-policy-hooks"].Spec.Selector.MatchExpressions[0].Values, b.Spec.Resources.MatchAll[1].Namespace.Values)
		}
		for _, set := range catalog.TransformSets {
			requirePlural(t, *set.Spec.Transforms[0].Subject)
		}
	}
}

// requirePlural wants the resource as cass-operator's definition names it: a singular would match nothing, in silence.
func requirePlural(t *testing.T, subject kastenstandin.TransformSubject) {
	t.Helper()
	content, err := os.ReadFile(datacenterDefinition)
	require.NoError(t, err)
	var crd apiextv1.CustomResourceDefinition
	require.NoError(t, yaml.Unmarshal(content, &crd))
	require.Equal(t, crd.Spec.Group, subject.Group)
	require.Equal(t, crd.Spec.Names.Plural, subject.Resource)
	require.Empty(t, subject.Version)
}

// TestRoles has Kubernetes' types read the roles, which allow what pkg/kube names and nothing else.
func TestRoles(t *testing.T) {
	t.Parallel()
	for name, files := range variants(t) {
		account := objectsOf(t, files, "ServiceAccount")
		require.Len(t, account, 1)
		var serviceAccount corev1.ServiceAccount
		strictly(t, account[0], &serviceAccount)
		roles, bindings := objectsOf(t, files, "Role"), objectsOf(t, files, "RoleBinding")
		require.Len(t, roles, map[string]int{"default": 2, "rich": 3}[name], "of the protected namespaces and of the copy's")
		require.Len(t, bindings, len(roles))
		for i := range roles {
			var role rbacv1.Role
			strictly(t, roles[i], &role)
			var want []rbacv1.PolicyRule
			for _, r := range objects.Rules() {
				want = append(want, rbacv1.PolicyRule{APIGroups: []string{r.APIGroup}, Resources: []string{r.Resource}, Verbs: r.Verbs})
			}
			require.Equal(t, want, role.Rules)
			for key := range objects.OwnLabels() {
				require.NotContains(t, role.Labels, key, "the filters would leave the role out of the restore point")
			}
			var binding rbacv1.RoleBinding
			strictly(t, bindings[i], &binding)
			require.Equal(t, role.Namespace, binding.Namespace)
			require.Equal(t, rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name}, binding.RoleRef)
			require.Equal(t, []rbacv1.Subject{{Kind: "ServiceAccount", Name: serviceAccount.Name, Namespace: serviceAccount.Namespace}}, binding.Subjects)
		}
		for _, bp := range blueprintsOf(t, files) {
			for action, a := range bp.Actions {
				require.Equal(t, serviceAccount.Namespace, a.Phases[0].Args["namespace"], action)
				var spec corev1.PodSpec
				strictly(t, a.Phases[0].Args["podOverride"].(map[string]any), &spec)
				require.Equal(t, serviceAccount.Name, spec.ServiceAccountName, action)
				require.Equal(t, kanister.TaskContainer, spec.Containers[0].Name)
			}
		}
	}
}

// TestJobs has Kubernetes' types read the cleaner's Jobs, and its rules their names.
func TestJobs(t *testing.T) {
	t.Parallel()
	for name, files := range variants(t) {
		jobs := objectsOf(t, files, "Job")
		require.Len(t, jobs, map[string]int{"default": 3, "rich": 6}[name])
		seen := map[string]bool{}
		for _, object := range jobs {
			var job batchv1.Job
			strictly(t, object, &job)
			require.Equal(t, "batch/v1", job.APIVersion)
			require.NotContains(t, object, "status")
			require.NotContains(t, object["metadata"], "creationTimestamp")
			require.False(t, seen[job.Namespace+"/"+job.Name])
			seen[job.Namespace+"/"+job.Name] = true
			require.Empty(t, validation.IsDNS1123Label(job.Name), "its pods carry it as a label")
			pod := job.Spec.Template.Spec
			require.Equal(t, corev1.RestartPolicyNever, pod.RestartPolicy, "the policy about exit codes wants it")
			require.False(t, *pod.AutomountServiceAccountToken)
			volumes := map[string]bool{}
			for _, v := range pod.Volumes {
				volumes[v.Name] = true
				require.Empty(t, validation.IsDNS1123Label(v.Name))
				require.Empty(t, validation.IsDNS1123Subdomain(v.PersistentVolumeClaim.ClaimName))
			}
			for _, mount := range pod.Containers[0].VolumeMounts {
				require.True(t, volumes[mount.Name])
			}
			// cass-operator would take a pod with its labels for one of its own.
			for key := range job.Spec.Template.Labels {
				require.NotContains(t, key, "cassandra.datastax.com")
			}
		}
	}
}

func strictly(t *testing.T, object map[string]any, into any) {
	t.Helper()
	content, err := yaml.Marshal(object)
	require.NoError(t, err)
	require.NoError(t, yaml.UnmarshalStrict(content, into))
}

// TestKustomizations follows all references, and has kubectl build them where it is there.
func TestKustomizations(t *testing.T) {
	t.Parallel()
	for name, files := range variants(t) {
		dir := t.TempDir()
		require.NoError(t, generate.Write(dir, files))
		for _, f := range files {
			if path.Base(f.Path) != "kustomization.yaml" {
				continue
			}
			var k struct {
				APIVersion, Kind string
				Resources        []string
			}
			require.NoError(t, yaml.UnmarshalStrict(f.Content, &k))
			for _, resource := range k.Resources {
				at := path.Join(path.Dir(f.Path), resource)
				made := slices.ContainsFunc(files, func(f generate.File) bool { return f.Path == at || f.Path == at+"/kustomization.yaml" })
				require.True(t, made, "%s: %s: no %s", name, f.Path, at)
			}
			// A directory's objects are all applied, but for those with generated names.
			for _, other := range files {
				if path.Dir(other.Path) == path.Dir(f.Path) && path.Ext(other.Path) == ".yaml" && other.Path != f.Path && !other.Created() {
					require.Contains(t, k.Resources, path.Base(other.Path), f.Path)
				}
			}
			if kubectl, err := exec.LookPath("kubectl"); err == nil {
				out, err := exec.CommandContext(t.Context(), kubectl, "kustomize", filepath.Join(dir, path.Dir(f.Path))).CombinedOutput()
				require.NoError(t, err, string(out))
			}
		}
	}
}

// TestReadmesNameFiles keeps the paths in them true.
func TestReadmesNameFiles(t *testing.T) {
	t.Parallel()
	for _, files := range variants(t) {
		dir := t.TempDir()
		require.NoError(t, generate.Write(dir, files))
		for _, f := range files {
			if path.Base(f.Path) != "README.md" {
				continue
			}
			require.NotContains(t, string(f.Content), "<no value>")
			require.NotContains(t, string(f.Content), "{{")
			for i, quoted := range strings.Split(string(f.Content), "`") {
				if i%2 == 0 || strings.ContainsAny(quoted, " \n") || !strings.Contains(quoted, "/") && !strings.HasSuffix(quoted, ".yaml") {
					continue
				}
				_, besideErr := os.Stat(filepath.Join(dir, path.Dir(f.Path), quoted))
				_, rootErr := os.Stat(filepath.Join(dir, quoted))
				require.True(t, besideErr == nil || rootErr == nil, "%s: no %s", f.Path, quoted)
			}
			for _, word := range strings.Fields(string(f.Content)) {
				if strings.HasPrefix(word, "examples/") || strings.HasPrefix(word, "hooks/") || strings.HasPrefix(word, "blueprints/") {
					_, err := os.Stat(filepath.Join(dir, strings.TrimRight(word, "`.,:")))
					require.NoError(t, err, f.Path)
				}
			}
		}
	}
}
