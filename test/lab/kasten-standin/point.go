package kastenstandin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister"
)

// RestorePoint is the index of a restore point; the manifests are in files next to
// it.
type RestorePoint struct {
	Name      string    `json:"name"`
	Namespace string    `json:"namespace"`
	Policy    string    `json:"policy"`
	Created   time.Time `json:"created"`
	// Profile of the backup; without one Kasten cannot run restore hooks.
	Profile string `json:"profile,omitempty"`
	// Artifacts are what bound Blueprints left.
	Artifacts []BoundArtifacts `json:"artifacts,omitempty"`
	Volumes   []Volume         `json:"volumes,omitempty"`
	Objects   []ID             `json:"objects"`
}

// BoundArtifacts are the artifacts of one bound resource.
type BoundArtifacts struct {
	Resource  ID                           `json:"resource"`
	Artifacts map[string]kanister.Artifact `json:"artifacts"`
}

// artifactsOf returns what the Blueprint bound to a resource left.
func (p *RestorePoint) artifactsOf(id ID) map[string]kanister.Artifact {
	for _, a := range p.Artifacts {
		if a.Resource.gr() == id.gr() && a.Resource.Name == id.Name {
			return a.Artifacts
		}
	}
	return nil
}

func (p *RestorePoint) volumeOf(claim string) *Volume {
	for i := range p.Volumes {
		if p.Volumes[i].Claim == claim {
			return &p.Volumes[i]
		}
	}
	return nil
}

// manifestFile is where the manifest of an object is, below the restore point.
func manifestFile(id ID) string {
	return filepath.Join(manifestDir, id.Resource+"."+strings.TrimPrefix(id.Group+"."+id.Version, "."), id.Name+".yaml")
}

// writePoint writes a restore point; a folder that has its final name is whole.
func writePoint(dir string, p *RestorePoint, objects []object) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	partial, err := os.MkdirTemp(dir, ".partial-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(partial)) }()
	for _, o := range objects {
		p.Objects = append(p.Objects, o.ID)
		content, err := yaml.Marshal(o.Object)
		if err != nil {
			return fmt.Errorf("manifest of %s: %w", o.ID, err)
		}
		if err := writeFile(filepath.Join(partial, manifestFile(o.ID)), content); err != nil {
			return err
		}
	}
	index, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(partial, indexFile), append(index, '\n')); err != nil {
		return err
	}
	return os.Rename(partial, filepath.Join(dir, p.Name))
}

// writeFile makes the folder too. Manifests hold Secrets.
func writeFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}

// ReadPoint reads a restore point's index.
func ReadPoint(dir, name string) (*RestorePoint, error) {
	content, err := os.ReadFile(filepath.Join(dir, filepath.Base(name), indexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no restore point %s: %w", name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("restore point %s: %w", name, err)
	}
	var p RestorePoint
	if err := json.Unmarshal(content, &p); err != nil {
		return nil, fmt.Errorf("restore point %s: %w", name, err)
	}
	return &p, nil
}

// readObjects reads the manifests of a restore point.
func readObjects(dir string, p *RestorePoint) ([]object, error) {
	var objects []object
	for _, id := range p.Objects {
		content, err := os.ReadFile(filepath.Join(dir, p.Name, manifestFile(id)))
		if err != nil {
			return nil, fmt.Errorf("manifest of %s: %w", id, err)
		}
		u := &unstructured.Unstructured{}
		asJSON, err := yaml.YAMLToJSON(content)
		if err != nil {
			return nil, fmt.Errorf("manifest of %s: %w", id, err)
		}
		// This keeps integers, which the API's types need.
		if err := u.UnmarshalJSON(asJSON); err != nil {
			return nil, fmt.Errorf("manifest of %s: %w", id, err)
		}
		objects = append(objects, newObject(id.gvr(), u))
	}
	return objects, nil
}
