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

const aboutBound = "Hooks that Kasten runs about each CassandraDatacenter that binding.yaml binds them to. What is not there, and why:\n" +
	"backup: Kasten snapshots the volumes. delete: a backup lies on the volumes of its restore point, and goes with them.\n" +
	"restorePrehook: Kasten calls it from 9.0.10 on, and only where the datacenter is. What stops datacenters before a restore is\n" +
	"the hook of a RestoreAction, in all releases, where it is asked for: restore.stopFirst in the generator's config file.\n"

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
	resources := []string{"../../" + accessDir, "../../" + blueprintDir(s)}
	if g.Restore.Offline {
		resources = append(resources, "../../"+transformsDir)
	}
	g.kustomize(dir, s, append(resources, "policy.yaml")...)
	g.create(dir+"/run.yaml", KindRun, s, aboutRun, g.runAction(s))
	for _, namespace := range g.Namespaces {
		g.create(dir+"/restore-"+namespace+".yaml", KindRestore, s, g.aboutRestore(), g.restoreAction(s, namespace))
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

// script is one of hooks/, and the command that it runs.
type script struct{ file, command, about, usage string }

func scripts() []script {
	const own = "cassandra_%s.sh"
	return []script{
		{fmt.Sprintf(own, "before_backup"), beforeBackup, "Freezes the rings of a namespace and describes them on their volumes. Run it before volume snapshots.", "NAMESPACE"},
		{fmt.Sprintf(own, "after_backup"), afterBackup, "Removes what cassandra_before_backup.sh left, once the volume snapshots are cut. When they failed: casshook on-failure.", "NAMESPACE"},
		{fmt.Sprintf(own, "before_restore"), beforeRestore, "Clears the way for volumes that are restored: stops the rings of a namespace (--yes --stop) where no flags are given.", "NAMESPACE"},
		{fmt.Sprintf(own, "after_restore"), afterRestore, "Brings the rings of a namespace back to the backup on their restored volumes: stopped datacenters with cleaner Jobs of\n" +
			"$CASSHOOK_IMAGE, which it then starts; running ones through Cassandra.", "NAMESPACE"},
		{"clean-up-launcher.sh", clean, "Puts the backup in place on one volume whose Cassandra does not run, by a cleaner Job of $CASSHOOK_IMAGE. Run it for\n" +
			"all volumes of a ring before any of its nodes starts.", "PVC NAMESPACE"},
	}
}

// byHand is for people without Kasten.
func (g *generator) byHand() {
	for _, s := range scripts() {
		values := map[string]any{
			"Header": g.header("#", s.about), "Command": s.command, "File": s.file, "Usage": s.usage, "Datacenter": g.Datacenter,
			"Mode": s.command == beforeRestore, "Claim": s.command == clean, "Image": "", "Secrets": g.Cleaner.ImagePullSecrets,
		}
		if s.command == afterRestore || s.command == clean {
			values["Image"] = g.Image
		}
		text := "#!/bin/sh\n" + g.text("hook.sh", values)
		g.files = append(g.files, File{Path: hooksDir + "/" + s.file, Kind: KindScripts, Content: []byte(text), Executable: true})
	}
	g.readme(byHandDir, "by-hand", EveryStrategy)
}

//go:embed text
var texts embed.FS

// text fills a template of this package with values that cannot be read as anything
// else there: all were validated.
func (g *generator) text(name string, values map[string]any) string {
	t := template.Must(template.New(name).Option("missingkey=error").ParseFS(texts, "text/"+name, "text/restore.md"))
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
		"Clears": g.clears(), "Copy": g.copyNamespace(), "Cleaner": cleanerDir, "Clone": cloneDir, "Transforms": transformsDir,
	})
	begin := "<!-- " + mark + "\"" + g.Invocation + "\": run it again instead of editing this file. -->\n"
	g.files = append(g.files, File{Path: dir + "/README.md", Kind: kindTree, Strategy: s, Content: []byte(begin + text)})
}

// comparePaths keeps the files of a directory together.
func comparePaths(a, b string) int {
	return slices.Compare([]string{path.Dir(a), path.Base(a)}, []string{path.Dir(b), path.Base(b)})
}
