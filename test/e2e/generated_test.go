//go:build kube

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/cli"
	"github.com/casshook/casshook/pkg/generate"
	"github.com/casshook/casshook/pkg/kube/objects"
	kastenstandin "github.com/casshook/casshook/test/lab/kasten-standin"
)

// labImage is what make lab-image loads.
const labImage = "casshook.lab/casshook:e2e"

// image is casshook's own. TestMain wants it to be named where labImage cannot be.
func image() string {
	if name := os.Getenv("CASSHOOK_IMAGE"); name != "" {
		return name
	}
	return labImage
}

// Strategies by which tests have namespaces protected.
const (
	policyHooks   = string(generate.PolicyHooks)
	resourceBound = string(generate.ResourceBound)
)

// generate runs casshook generate as users do.
func (w *world) generate(t *testing.T, kind string, flags ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args := slices.Concat([]string{"generate", kind, "--namespace=" + w.namespace, "--image=" + image()}, flags)
	require.Zero(t, cli.Run(t.Context(), args, &stdout, &stderr), stderr.String())
	return stdout.String()
}

// protect makes a Kasten that backs the namespace up by what casshook generate writes: kubectl applies the RBAC, the stand-in
// takes what is Kasten's. Its hooks run in pods that may do just what the generated Role says.
func (w *world) protect(t *testing.T, strategy string, flags ...string) *kastenstandin.Kasten {
	t.Helper()
	dir := t.TempDir()
	w.generate(t, "all", append(flags, "--kasten-namespace="+w.kastenNamespace, "--strategy="+strategy, "--out="+dir)...)
	s := w.shell(t, dir)
	// Tests at the same time apply the same account: only the server can tell who was first.
	s.must(t, "kubectl", "apply", "--server-side", "-k", "blueprints/rbac")
	w.awaitRights(t)
	return w.kasten(t, kastenFiles(t, dir, strategy)...)
}

// kastenFiles are the generated files with objects of Kasten's, but for what starts a run.
func kastenFiles(t *testing.T, dir, strategy string) []string {
	t.Helper()
	var files []string
	for _, below := range []string{"blueprints/" + strategy, "blueprints/transforms", "examples/" + strategy} {
		found, err := filepath.Glob(filepath.Join(dir, below, "*.yaml"))
		require.NoError(t, err)
		require.NotEmpty(t, found, below)
		files = append(files, found...)
	}
	return slices.DeleteFunc(files, func(path string) bool {
		return slices.Contains([]string{"run.yaml", "kustomization.yaml"}, filepath.Base(path))
	})
}

// awaitRights waits until the hooks' account has every right of theirs: a verb that the generated Role lacks is missed here.
func (w *world) awaitRights(t *testing.T) {
	t.Helper()
	for _, r := range objects.Rules() {
		for _, verb := range r.Verbs {
			w.awaitRight(t, right{w.kastenNamespace, hookAccount, r.APIGroup, r.Resource, verb}, true)
		}
	}
}

// onlyPolicy is the catalog's.
func onlyPolicy(t *testing.T, k *kastenstandin.Kasten) *kastenstandin.Policy {
	t.Helper()
	require.Len(t, k.Catalog.Policies, 1)
	for _, p := range k.Catalog.Policies {
		return p
	}
	return nil
}

// keepOwn lets our own Lease and ConfigMap into the restore point and back, as a policy does that somebody wrote by hand.
func keepOwn(t *testing.T, k *kastenstandin.Kasten) {
	t.Helper()
	own := func(e kastenstandin.FilterEntry) bool { return len(e.MatchLabels) > 0 }
	for _, filters := range []*kastenstandin.Filters{&onlyPolicy(t, k).Spec.Actions[0].BackupParameters.Filters, &k.Catalog.RestoreActions[0].Spec.Filters} {
		before := len(filters.ExcludeResources)
		filters.ExcludeResources = slices.DeleteFunc(filters.ExcludeResources, own)
		require.Less(t, len(filters.ExcludeResources), before, "they are left out by default")
	}
}

// forbidden is in what hooks say when they lack a permission, be it for something that they can do without.
const forbidden = "the service account may not"

// permitted fails the test when a hook was short of a permission.
func permitted(t *testing.T, text string) {
	if strings.Contains(text, forbidden) {
		t.Errorf("a hook lacks a permission that the generated Role does not give: %s", text)
	}
}
