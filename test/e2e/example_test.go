//go:build kube

package e2e

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	kastenstandin "github.com/casshook/casshook/test/lab/kasten-standin"
	"github.com/casshook/casshook/test/lab/site"
	"github.com/casshook/casshook/test/lab/zoo"
)

// exampleTables are few: one that a disaster truncates, one that it drops, and one that it alters.
const exampleTables = 3

// exampleProfile is the location profile of the examples' policies.
const exampleProfile = "casshook-e2e"

// example is a ring of one node that the stories of examples/ are played on, one after the other.
type example struct {
	*world
	datacenter site.Datacenter
	want       zoo.Digests
}

// story is one of examples/.
type story struct {
	name string
	play func(*testing.T)
}

// playExamples plays the stories of examples/ by the commands that stand in README.md and in the files beside the examples. Each
// leaves the ring as it found it, so that they need one only.
func playExamples(t *testing.T) {
	e := newExample(t)
	for _, story := range []story{{"PolicyHooks", e.policyHooks}, {"ResourceBound", e.resourceBound}, {"ByHand", e.byHand}} {
		require.True(t, t.Run(story.name, func(t *testing.T) {
			story.play(t)
			e.same(t, e.datacenter, e.want)
			require.Empty(t, e.leftovers(t, e.datacenter))
		}), "what comes after %s wants it to be done", story.name)
	}
}

// newExample starts the ring and makes what Kasten would bring along: a profile, an annotated class, and its kinds, so that kubectl
// can do all that a person types. The API server validates what is Kubernetes' own, and Blueprints. Of Kasten's kinds, whose
// schemas are not public, it takes anything: those the stand-in validates, which reads all of them back from the server. Nothing
// here acts on them by itself: where a person would wait for Kasten, the test calls the stand-in.
func newExample(t *testing.T) *example {
	t.Helper()
	e := &example{world: open(t, "example")}
	if e.kastenServed(t) {
		t.Skip("Kasten is in this cluster: it would take what is for the stand-in")
	}
	for _, k := range []kind{bindings(), policies(), profiles(), transformSets(), runActions(), restoreActions(), restorePoints()} {
		e.define(t, k)
	}
	require.NoError(t, e.Apply(t.Context(), "apiVersion: config.kio.kasten.io/v1alpha1\nkind: Profile\nmetadata: {name: "+exampleProfile+
		", namespace: "+e.kastenNamespace+"}\nspec: {type: Location, locationSpec: {type: ObjectStore}}\n"))
	if !e.snapshotsByKasten(t) { // as in the lab
		e.snapshotClass(t, "casshook-e2e")
	}
	e.datacenter = e.create(t, site.Datacenter{Name: "dc1", Cluster: "shop", Size: 1})
	e.want = e.shop(t, e.datacenter, exampleTables)
	return e
}

// policyHooks is the quick start of README.md, word by word, and the restore that examples/policy-hooks tells of.
func (e *example) policyHooks(t *testing.T) {
	story := commands(blocks(t, "../../README.md", "Use it with Kasten and cass-operator", "console")[0])
	var begins []string
	for _, words := range story {
		begins = append(begins, strings.Join(words[:2], " "))
	}
	require.Equal(t, []string{"casshook doctor", "casshook generate", "kubectl apply", "kubectl create"}, begins)
	s := e.shell(t, t.TempDir())
	e.followed(t, s, story)
	s.dir = filepath.Join(s.dir, "casshook-shop")
	defer s.must(t, "kubectl", "delete", "--ignore-not-found", "-k", "examples/policy-hooks")

	k := e.fromServer(t)
	result := e.runPolicy(t, k, "✓ preHook casshook-policy-hooks/before-backup")
	e.inOrder(t, result, "preHook casshook-policy-hooks/before-backup", "snapshot ", "onSuccess casshook-policy-hooks/after-backup")
	restored := e.restore(t, k, s, "examples/policy-hooks", result.RestorePoint)
	e.inOrder(t, restored, "create cassandradatacenters.cassandra.datastax.com/dc1", "onSuccess casshook-policy-hooks/after-restore")
}

// resourceBound is the story of examples/resource-bound: Kasten finds the datacenter through its StatefulSets, which the backup
// therefore keeps and the restore leaves out.
func (e *example) resourceBound(t *testing.T) {
	s := e.shell(t, t.TempDir())
	e.followed(t, s, commands(blocks(t, "../../examples/resource-bound/README.md", "Protect", "console")[0]))
	defer s.must(t, "kubectl", "delete", "--ignore-not-found", "-k", "examples/resource-bound")

	k := e.fromServer(t)
	const bound = "cassandradatacenters.cassandra.datastax.com/dc1"
	result := e.runPolicy(t, k, "✓ backupPrehook "+bound)
	e.inOrder(t, result, "backupPrehook "+bound, "snapshot ", "backupPosthook "+bound)
	point, err := kastenstandin.ReadPoint(k.Dir, result.RestorePoint)
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(point.Objects, func(id kastenstandin.ID) bool { return id.Resource == "statefulsets" }), "the backup keeps them")
	restored := e.restore(t, k, s, "examples/resource-bound", result.RestorePoint)
	e.inOrder(t, restored, "create "+bound, "restorePosthook "+bound)
	require.NotContains(t, strings.Join(names(restored.Events), "\n"), "statefulsets")
}

// followed runs the commands by which a namespace is protected. Where doctor comes first it asks for what the others bring. In the
// end it is content.
func (e *example) followed(t *testing.T, s shell, story [][]string) {
	t.Helper()
	err := e.Core.CoreV1().ServiceAccounts(e.kastenNamespace).Delete(t.Context(), hookAccount, metav1.DeleteOptions{})
	require.True(t, err == nil || apierrors.IsNotFound(err), "what other tests left: %v", err)
	for _, words := range story {
		if words = e.fill(words); words[1] != "doctor" {
			s.must(t, words...)
			continue
		}
		r := s.run(t, words...)
		require.Equal(t, 3, r.code, r.stderr)
		require.Contains(t, r.reason(), "fix account, rbac")
	}
	s.must(t, e.fill([]string{"casshook", "doctor", "--namespace", "NAMESPACE"})...)
}

// inOrder wants events that begin with some texts, one after the other.
func (e *example) inOrder(t *testing.T, result *kastenstandin.Result, wanted ...string) {
	t.Helper()
	events := names(result.Events)
	for _, event := range events {
		if len(wanted) > 0 && strings.HasPrefix(event, wanted[0]) {
			wanted = wanted[1:]
		}
	}
	require.Empty(t, wanted, "not there, or not in this order: %v", events)
}

// fill puts the test's names in the place of those in the text. Kasten's namespace is the test's own: a Kasten that is there, and
// its policies, must not notice.
func (e *example) fill(words []string) []string {
	var filled []string
	for _, word := range words {
		switch word {
		case "shop", "NAMESPACE":
			word = e.namespace
		case "IMAGE":
			word = image()
		case "LOCATION-PROFILE":
			word = exampleProfile
		}
		filled = append(filled, word)
	}
	if words[0] == "casshook" {
		filled = append(filled, "--kasten-namespace="+e.kastenNamespace)
	}
	return filled
}

// fromServer is a Kasten with what kubectl brought to the API server.
func (e *example) fromServer(t *testing.T) *kastenstandin.Kasten {
	t.Helper()
	k := e.kasten(t)
	for _, kind := range []kind{blueprints(), bindings(), transformSets(), policies()} {
		for _, object := range e.objects(t, kind, e.kastenNamespace) {
			require.NoError(t, k.Catalog.Add(manifest(t, object)), object.GetName())
		}
	}
	return k
}

// runPolicy runs the policy of the only RunAction. The ring is damaged between the freeze and the volume snapshots, as by clients
// that write on: what they cut is not what is to come back. frozen is how the log says that it is time.
func (e *example) runPolicy(t *testing.T, k *kastenstandin.Kasten, frozen string) *kastenstandin.Result {
	t.Helper()
	var run struct {
		Spec struct{ Subject kastenstandin.ActionSubject }
	}
	require.NoError(t, yaml.Unmarshal(e.take(t, runActions(), e.kastenNamespace), &run))
	policy := k.Catalog.Policies[run.Spec.Subject.Name]
	require.NotNil(t, policy, run.Spec.Subject.Name)
	require.Equal(t, e.kastenNamespace, run.Spec.Subject.Namespace)

	damage := &trigger{after: frozen, do: func() { e.damage(t, e.datacenter, exampleTables) }}
	k.Progress = io.MultiWriter(logWriter{t}, damage)
	results, err := k.RunPolicy(t.Context(), policy)
	require.NoError(t, err)
	require.Len(t, results, 1)
	require.Equal(t, kastenstandin.Complete, results[0].State)
	require.True(t, damage.fired, "no line with %q", frozen)
	require.NoError(t, e.Apply(t.Context(), "apiVersion: apps.kio.kasten.io/v1alpha1\nkind: RestorePoint\nmetadata: {name: "+results[0].RestorePoint+
		", namespace: "+e.namespace+"}\n"))
	return results[0]
}

// restore runs the commands by which the README of an example restores, and then is Kasten.
func (e *example) restore(t *testing.T, k *kastenstandin.Kasten, s shell, dir, point string) *kastenstandin.Result {
	t.Helper()
	before, err := e.Read(t.Context(), e.datacenter)
	require.NoError(t, err)
	for _, words := range commands(blocks(t, filepath.Join(s.dir, dir, "README.md"), "Restore", "console")[0]) {
		if words[1] == "create" {
			e.name(t, filepath.Join(s.dir, words[len(words)-1]), point)
		}
		out := s.must(t, words...)
		if words[1] == "get" {
			require.Contains(t, out, point)
		}
	}
	claims, err := e.Claims(t.Context(), e.datacenter)
	require.NoError(t, err)
	require.Empty(t, claims)

	require.NoError(t, k.Catalog.Add(e.take(t, restoreActions(), e.namespace)))
	result, err := k.Restore(t.Context(), k.Catalog.RestoreActions[0])
	require.NoError(t, err)
	require.Equal(t, kastenstandin.Complete, result.State)
	e.ready(t, e.datacenter)
	after, err := e.Read(t.Context(), e.datacenter)
	require.NoError(t, err)
	require.Equal(t, site.HostIDs(before), site.HostIDs(after))
	return result
}

// take takes the only object of a kind from the API server.
func (e *example) take(t *testing.T, k kind, namespace string) []byte {
	t.Helper()
	found := e.objects(t, k, namespace)
	require.Len(t, found, 1, k.name)
	require.NoError(t, e.Dynamic.Resource(k.resource()).Namespace(namespace).Delete(t.Context(), found[0].GetName(), metav1.DeleteOptions{}))
	return manifest(t, found[0])
}

// manifest is an object as YAML.
func manifest(t *testing.T, object unstructured.Unstructured) []byte {
	t.Helper()
	object.SetManagedFields(nil)
	text, err := yaml.Marshal(object.Object)
	require.NoError(t, err)
	return text
}

// name edits a RestoreAction as the example's README asks for.
func (e *example) name(t *testing.T, path, point string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(text), "RESTORE-POINT"))
	require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "RESTORE-POINT", point)), 0o600))
}
