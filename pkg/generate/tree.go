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

const aboutPolicyHooks = "Hooks for a namespace, named by a policy and a RestoreAction.\n"

func (g *generator) policyHooks() {
	const s = PolicyHooks
	dir := blueprintDir(s)
	g.yaml(dir+"/blueprint.yaml", KindBlueprint, s, aboutPolicyHooks+aboutLimit, g.policyHookBlueprint())
	g.kustomize(dir, s, "blueprint.yaml")
	g.example(s, "Backs up the rings before the volume snapshots and cleans up afterwards.")
}

const aboutBound = "Hooks that Kasten runs for each CassandraDatacenter bound by binding.yaml. These actions are missing on purpose:\n" +
	"backup: Kasten itself snapshots the volumes. delete: the backup is on the volumes of its restore point and is deleted with\n" +
	"them. restorePrehook: Kasten calls it only from 9.0.10 on, and only if the datacenter exists. To stop datacenters before a\n" +
	"restore in all releases, use the hook of a RestoreAction: restore.stopFirst in the generator's config file.\n"

func (g *generator) resourceBound() {
	const s = ResourceBound
	dir := blueprintDir(s)
	g.yaml(dir+"/blueprint.yaml", KindBlueprint, s, aboutBound+aboutLimit, g.boundBlueprint())
	g.yaml(dir+"/binding.yaml", KindBinding, s, fmt.Sprintf(aboutBinding, g.KastenNamespace), g.binding())
	g.kustomize(dir, s, "blueprint.yaml", "binding.yaml")
	g.example(s, "The bound Blueprint provides the hooks. Only the cleanup after a failure is named here: Kasten does not call it by itself.")
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

const warnOverride = "WARNING: while this is bound, Kasten does not snapshot the volumes of the datacenters, but reports the backup as complete.\n" +
	"Use it only with policy hooks that exclude StatefulSets, never together with blueprints/resource-bound. See README.md."

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
		{fmt.Sprintf(own, "before_backup"), beforeBackup, "Backs up the rings of a namespace. Run it before the volume snapshots.", "NAMESPACE"},
		{fmt.Sprintf(own, "after_backup"), afterBackup, "Removes the backup from the volumes once the volume snapshots are taken. If they failed, run casshook on-failure instead.", "NAMESPACE"},
		{fmt.Sprintf(own, "before_restore"), beforeRestore, "Prepares a restore over existing datacenters. Without flags it stops the rings of the namespace (--yes --stop).", "NAMESPACE"},
		{fmt.Sprintf(own, "after_restore"), afterRestore, "Restores the rings of a namespace from the backup on their restored volumes. Stopped datacenters are restored offline, by\n" +
			"cleaner Jobs of $CASSHOOK_IMAGE, and started; running ones are restored through Cassandra.", "NAMESPACE"},
		{"clean-up-launcher.sh", clean, "Restores one volume of a stopped node offline, by a cleaner Job of $CASSHOOK_IMAGE. Run it for all volumes of a ring\n" +
			"before any of its nodes starts.", "PVC NAMESPACE"},
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
