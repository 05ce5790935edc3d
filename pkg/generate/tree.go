package generate

import (
	"bytes"
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
	"text/template"

	"github.com/casshook/casshook/pkg/blueprint"
)

// kustomization makes kubectl apply -k work in a directory.
type kustomization struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Resources  []string `json:"resources"`
}

func (g *generator) kustomize(dir string, strategy Strategy, resources ...string) {
	g.yaml(dir+"/kustomization.yaml", kindTree, strategy, "kubectl apply -k "+dir,
		object{&kustomization{"kustomize.config.k8s.io/v1beta1", "Kustomization", resources}, nil})
}

// access is the service account and its roles.
func (g *generator) access() {
	g.yaml(accessDir+"/serviceaccount.yaml", KindRBAC, EveryStrategy, aboutAccount,
		object{&serviceAccount{g.head("v1", "ServiceAccount", g.KastenNamespace)}, nil})
	resources := []string{"serviceaccount.yaml"}
	for _, namespace := range g.Namespaces {
		file := "role-" + namespace + ".yaml"
		g.yaml(accessDir+"/"+file, KindRBAC, EveryStrategy, aboutRole, g.role(namespace), g.roleBinding(namespace))
		resources = append(resources, file)
	}
	g.kustomize(accessDir, EveryStrategy, resources...)
}

const aboutPolicyHooks = "Hooks that a policy and a RestoreAction name, about a namespace.\n"

func (g *generator) policyHooks() {
	const s = PolicyHooks
	dir := blueprintDir(s)
	g.yaml(dir+"/blueprint.yaml", KindBlueprint, s, aboutPolicyHooks+aboutLimit, g.policyHookBlueprint())
	g.kustomize(dir, s, "blueprint.yaml")
	g.example(s, "Freezes the rings before the volume snapshots and cleans up after them.")
}

const aboutBound = "Hooks that Kasten runs about each CassandraDatacenter that binding.yaml binds them to. There is no action \"backup\": Kasten\n" +
	"snapshots the volumes.\n"

func (g *generator) resourceBound() {
	const s = ResourceBound
	dir := blueprintDir(s)
	g.yaml(dir+"/blueprint.yaml", KindBlueprint, s, aboutBound+aboutLimit, g.boundBlueprint())
	g.yaml(dir+"/binding.yaml", KindBinding, s, fmt.Sprintf(aboutBinding, g.KastenNamespace), g.binding())
	g.kustomize(dir, s, "blueprint.yaml", "binding.yaml")
	g.example(s, "The hooks are those of the bound Blueprint. What cleans up after a failure is not among the names that Kasten calls by itself.")
}

// example is the story of a strategy.
func (g *generator) example(s Strategy, about string) {
	dir := exampleDir(s)
	g.yaml(dir+"/policy.yaml", KindPolicy, s, about, g.policy(s))
	g.kustomize(dir, s, "../../"+accessDir, "../../"+blueprintDir(s), "policy.yaml")
	g.yaml(dir+"/run.yaml", KindRun, s, aboutRun, g.runAction(s))
	for _, namespace := range g.Namespaces {
		g.yaml(dir+"/restore-"+namespace+".yaml", KindRestore, s, aboutRestore, g.restoreAction(s, namespace))
	}
	g.readme(dir, string(s), s)
}

// builtIns are the Blueprints that Kasten brings along for K8ssandra, by release.
func builtIns() []string { return []string{"k10-k8ssandra-bp-0.0.4", "k10-k8ssandra-bp-0.0.5"} }

const warnOverride = "WARNING: while this is bound, Kasten snapshots no volume of the datacenters, and calls the backup complete.\n" +
	"Only for policy hooks with StatefulSets excluded; never together with blueprints/resource-bound. See README.md."

func (g *generator) overrides() {
	var resources []string
	for _, name := range builtIns() {
		bound := blueprint.NewBinding(g.Prefix+"-"+name, g.inKasten(name), g.Datacenter, g.Namespaces)
		g.yaml(overrideDir+"/"+name+".yaml", KindOverride, PolicyHooks, warnOverride, g.overrideBlueprint(name), object{bound, nil})
		resources = append(resources, name+".yaml")
	}
	g.kustomize(overrideDir, PolicyHooks, resources...)
	g.readme(overrideDir, "overrides", PolicyHooks)
}

func (g *generator) transforms() {
	name := g.Prefix + stoppedSuffix
	g.yaml(transformsDir+"/create-stopped.yaml", KindTransformSet, EveryStrategy, fmt.Sprintf(aboutStopped, name, g.KastenNamespace), g.createStopped())
	g.kustomize(transformsDir, EveryStrategy, "create-stopped.yaml")
}

// byHand is for people without Kasten.
func (g *generator) byHand() {
	for command, about := range map[string]string{
		beforeBackup: "Freezes the rings of a namespace and describes them on their volumes. Run it before volume snapshots.",
		afterBackup:  "Removes what cassandra_before_backup.sh left, once the volume snapshots are cut. When they failed: casshook on-failure.",
		afterRestore: "Brings the rings of a namespace back to the backup on their volumes. Run it once Cassandra runs on restored volumes.",
	} {
		file := "cassandra_" + strings.ReplaceAll(command, "-", "_") + ".sh"
		text := g.text("hook.sh", map[string]any{"Header": g.header("#", about), "Command": command, "File": file, "Datacenter": g.Datacenter})
		g.files = append(g.files, File{Path: hooksDir + "/" + file, Kind: KindScripts, Content: []byte("#!/bin/sh\n" + text), Executable: true})
	}
	g.readme(byHandDir, "by-hand", EveryStrategy)
}

//go:embed text
var texts embed.FS

// text fills a template of this package with values that cannot be read as anything
// else there: all were validated.
func (g *generator) text(name string, values map[string]any) string {
	t := template.Must(template.New(name).Option("missingkey=error").ParseFS(texts, "text/"+name))
	var out bytes.Buffer
	if err := t.Execute(&out, values); err != nil {
		panic(fmt.Sprintf("template %s: %v", name, err)) // a mistake of this package
	}
	return out.String()
}

func (g *generator) readme(dir, name string, s Strategy) {
	text := g.text(name+".md", map[string]any{
		"Dir": dir, "O": g.Options, "Name": g.name(s), "Access": accessDir, "Overrides": overrideDir,
		"Namespace": g.Namespaces[0], "Limit": strings.ReplaceAll(aboutLimit, "\n", " "),
		"Placeholder": g.RestorePoint == "", "BuiltIns": builtIns(),
	})
	begin := "<!-- " + mark + "\"" + g.Invocation + "\": run it again instead of editing this file. -->\n"
	g.files = append(g.files, File{Path: dir + "/README.md", Kind: kindTree, Strategy: s, Content: []byte(begin + text)})
}

// comparePaths keeps the files of a directory together.
func comparePaths(a, b string) int {
	return slices.Compare([]string{path.Dir(a), path.Base(a)}, []string{path.Dir(b), path.Base(b)})
}
