package kastenstandin

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister"
)

// Catalog is what would be in Kasten's namespace. It comes from YAML instead.
type Catalog struct {
	Blueprints     map[string]*kanister.Blueprint
	Bindings       []*BlueprintBinding
	TransformSets  map[string]*TransformSet
	Policies       map[string]*Policy
	RestoreActions []*RestoreAction
	// PodSpecOverride is the pod spec of the ConfigMap pod-spec-override.
	PodSpecOverride map[string]any
	// Others are objects of other groups in the same files, in their order. The
	// stand-in does nothing with them.
	Others []*unstructured.Unstructured
}

// LoadCatalog reads YAML files with any number of documents. Fields that Kasten or
// Kanister would not know are errors, and so are kinds of theirs that the stand-in
// does not know.
func LoadCatalog(paths ...string) (*Catalog, error) {
	c := &Catalog{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("catalog: %w", err)
		}
		if err := c.Add(content); err != nil {
			return nil, fmt.Errorf("catalog %s: %w", path, err)
		}
	}
	return c, nil
}

// Add takes in the documents of a YAML stream.
func (c *Catalog) Add(stream []byte) error {
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(stream)))
	for n := 1; ; n++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := c.addDocument(document); err != nil {
			return fmt.Errorf("document %d: %w", n, err)
		}
	}
}

func (c *Catalog) addDocument(document []byte) error {
	var head metav1.PartialObjectMetadata
	if err := yaml.Unmarshal(document, &head); err != nil {
		return err
	}
	what := head.APIVersion + " " + head.Kind
	switch what {
	case " ":
		if len(withoutComments(document)) > 0 {
			return errors.New("apiVersion and kind are missing")
		}
		return nil
	case kanister.APIVersion + " " + kanister.BlueprintKind:
		return c.addBlueprint(document)
	case ConfigVersion + " " + BindingKind:
		return c.addBinding(document)
	case ConfigVersion + " " + TransformSetKind:
		return c.addTransformSet(document)
	case ConfigVersion + " " + PolicyKind:
		return c.addPolicy(document)
	case ActionsVersion + " " + RestoreActionKind:
		var r RestoreAction
		if err := yaml.UnmarshalStrict(document, &r); err != nil {
			return err
		}
		c.RestoreActions = append(c.RestoreActions, &r)
		return r.validate()
	case "v1 ConfigMap":
		if head.Name == "pod-spec-override" {
			return c.addPodSpecOverride(document)
		}
	}
	if strings.Contains(head.APIVersion, "kio.kasten.io/") || strings.Contains(head.APIVersion, "kanister.io/") {
		return fmt.Errorf("%s: the stand-in does not know this kind", what)
	}
	return c.addOther(document)
}

func (c *Catalog) addBlueprint(document []byte) error {
	bp, err := kanister.Parse(document)
	if err != nil {
		return err
	}
	if c.Blueprints == nil {
		c.Blueprints = map[string]*kanister.Blueprint{}
	}
	if c.Blueprints[bp.Name] != nil {
		return fmt.Errorf("blueprint %s is there twice", bp.Name)
	}
	c.Blueprints[bp.Name] = bp
	return kanister.Validate(bp)
}

func (c *Catalog) addBinding(document []byte) error {
	var b BlueprintBinding
	if err := yaml.UnmarshalStrict(document, &b); err != nil {
		return err
	}
	c.Bindings = append(c.Bindings, &b)
	return b.validate()
}

func (c *Catalog) addTransformSet(document []byte) error {
	var t TransformSet
	if err := yaml.UnmarshalStrict(document, &t); err != nil {
		return err
	}
	if c.TransformSets == nil {
		c.TransformSets = map[string]*TransformSet{}
	}
	c.TransformSets[t.Name] = &t
	var problems []error
	for _, transform := range t.Spec.Transforms {
		problems = append(problems, transform.validate())
	}
	return errors.Join(problems...)
}

func (c *Catalog) addPolicy(document []byte) error {
	var p Policy
	if err := yaml.UnmarshalStrict(document, &p); err != nil {
		return err
	}
	if c.Policies == nil {
		c.Policies = map[string]*Policy{}
	}
	c.Policies[p.Name] = &p
	return p.validate()
}

// addPodSpecOverride takes the spec without what Kasten ignores.
func (c *Catalog) addPodSpecOverride(document []byte) error {
	var configMap struct {
		Data struct{ Override string }
	}
	if err := yaml.Unmarshal(document, &configMap); err != nil {
		return err
	}
	var pod struct{ Spec map[string]any }
	if err := yaml.Unmarshal([]byte(configMap.Data.Override), &pod); err != nil {
		return fmt.Errorf("pod-spec-override: %w", err)
	}
	delete(pod.Spec, "imagePullSecrets")
	delete(pod.Spec, "securityContext")
	c.PodSpecOverride = pod.Spec
	return nil
}

func (c *Catalog) addOther(document []byte) error {
	var u unstructured.Unstructured
	if err := yaml.Unmarshal(document, &u.Object); err != nil {
		return err
	}
	c.Others = append(c.Others, &u)
	return nil
}

func (c *Catalog) blueprint(name string) (*kanister.Blueprint, error) {
	if bp := c.Blueprints[name]; bp != nil {
		return bp, nil
	}
	return nil, fmt.Errorf("blueprint %s is not in Kasten's namespace", name)
}

// withoutComments is what a document says.
func withoutComments(document []byte) string {
	var out strings.Builder
	for line := range strings.Lines(string(document)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "#") && line != "---" {
			out.WriteString(line)
		}
	}
	return out.String()
}
