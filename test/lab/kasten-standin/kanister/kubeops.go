package kanister

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"
)

// kubeOps creates, deletes or patches one object.
func (c *Controller) kubeOps(ctx context.Context, in call) (map[string]any, error) {
	operation, err := text(in.args, "operation")
	if err != nil {
		return nil, err
	}
	namespace, err := text(in.args, "namespace")
	if err != nil {
		return nil, err
	}
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	spec, err := text(in.args, "spec")
	if err != nil {
		return nil, err
	}
	if operation == "create" {
		return c.createObject(ctx, namespace, spec)
	}
	var ref ObjectReference
	if err := decode(in.args["objectReference"], &ref); err != nil {
		return nil, fmt.Errorf("arg objectReference: %w", err)
	}
	switch operation {
	case "delete":
		return describe(ref, ref.Namespace), c.deleteObject(ctx, c.reference(ref, namespace), ref.Name)
	case "patch":
		return describe(ref, ref.Namespace), c.patchObject(ctx, c.reference(ref, namespace), ref.Name, spec)
	default:
		return nil, fmt.Errorf("operation %q is none of create, delete, patch", operation)
	}
}

func (c *Controller) reference(ref ObjectReference, namespace string) dynamic.ResourceInterface {
	if ref.Namespace != "" {
		namespace = ref.Namespace
	}
	return c.Dynamic.Resource(schema.GroupVersionResource{Group: ref.Group, Version: ref.APIVersion, Resource: ref.Resource}).Namespace(namespace)
}

// createObject does not update what is there, and does not mind a cancelled
// context, as in the real controller.
func (c *Controller) createObject(ctx context.Context, namespace, spec string) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
	defer cancel()
	var u unstructured.Unstructured
	if err := yaml.Unmarshal([]byte(spec), &u.Object); err != nil {
		return nil, fmt.Errorf("spec: %w", err)
	}
	kind := u.GroupVersionKind()
	mapping, err := c.Mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, fmt.Errorf("%w ensure CRDs are installed first", err)
	}
	if u.GetNamespace() != "" {
		namespace = u.GetNamespace()
	}
	var client dynamic.ResourceInterface = c.Dynamic.Resource(mapping.Resource)
	if mapping.Scope.Name() == "namespace" {
		client = c.Dynamic.Resource(mapping.Resource).Namespace(namespace)
	} else {
		namespace = ""
	}
	created, err := client.Create(ctx, &u, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("create %s %s: %w", kind.Kind, u.GetName(), err)
	}
	return describe(ObjectReference{APIVersion: kind.Version, Group: kind.Group, Kind: kind.Kind, Name: created.GetName(),
		Resource: mapping.Resource.Resource}, namespace), nil
}

// deleteObject waits until the object is gone; one that is not there is an error.
func (c *Controller) deleteObject(ctx context.Context, client dynamic.ResourceInterface, name string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	if err := client.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	err := wait.PollUntilContextCancel(ctx, c.poll(), true, func(ctx context.Context) (bool, error) {
		_, err := client.Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
	if err != nil {
		return fmt.Errorf("wait for %s to be gone: %w", name, err)
	}
	return nil
}

// patchObject knows strategic merge patches only, which an API server refuses for
// custom resources (415).
func (c *Controller) patchObject(ctx context.Context, client dynamic.ResourceInterface, name, spec string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("patch %s: %w", name, err)
	}
	patch, err := yaml.YAMLToJSON([]byte(spec))
	if err != nil {
		return fmt.Errorf("spec: %w", err)
	}
	if _, err := client.Patch(ctx, name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("patch %s: %w", name, err)
	}
	return nil
}

// describe is the output of the phase.
func describe(ref ObjectReference, namespace string) map[string]any {
	return map[string]any{"apiVersion": ref.APIVersion, "group": ref.Group, "kind": ref.Kind, "name": ref.Name,
		"namespace": namespace, "resource": ref.Resource}
}
