// Package configfile decodes the YAML files that people write: one document, strictly,
// with all problems at once, their lines, and the fields that exist.
package configfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	sigs "sigs.k8s.io/yaml"
)

// Decode decodes the only document of a file into a value, by the names of its json tags. Fields that
// the file does not name stay as they are.
func Decode(content []byte, into any) error {
	root, err := document(content)
	if err != nil {
		return err
	}
	if root != nil {
		if problems := check(root, into); len(problems) > 0 {
			return errors.Join(problems...)
		}
	}
	return sigs.UnmarshalStrict(content, into)
}

// document is the root of the only document that holds anything; nil where there is none.
func document(content []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(content))
	var found []*yaml.Node
	for {
		var node yaml.Node
		err := dec.Decode(&node)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
		}
		if root := node.Content[0]; root.Tag != "!!null" {
			found = append(found, root)
		}
	}
	if len(found) > 1 {
		return nil, fmt.Errorf("line %d: more than one YAML document: only one is allowed", found[1].Line)
	}
	return append(found, nil)[0], nil
}

// list is a list for people.
func list(names []string) string { return strings.Join(slices.Sorted(slices.Values(names)), ", ") }
