// Package site is a Kubernetes cluster with cass-operator in which tests and demo work: the lab's, or any other that
// $KUBECONFIG names. It applies manifests, waits for datacenters, runs commands in pods and opens CQL sessions, through the
// API server only.
package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/remotecommand"
)

// Site is one cluster.
type Site struct {
	// Kubeconfig is the file that Config was read from.
	Kubeconfig string
	Config     *rest.Config
	Core       kubernetes.Interface
	Dynamic    dynamic.Interface
	mapper     *restmapper.DeferredDiscoveryRESTMapper
	// Lab is true for the lab's cluster, whose operator is a stand-in.
	Lab bool
	// StorageClass is the cluster's default.
	StorageClass string
}

// labKubeconfig is where the lab puts the administrator's.
func labKubeconfig() (string, error) {
	if root := os.Getenv("CASSHOOK_LAB"); root != "" {
		return filepath.Join(root, "kubeconfig"), nil
	}
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "casshook", "kube", "kubeconfig"), err
}

// Open connects to the cluster that $KUBECONFIG names, or else to the lab's.
func Open(ctx context.Context) (*Site, error) {
	lab, err := labKubeconfig()
	if err != nil {
		return nil, err
	}
	s := &Site{Kubeconfig: os.Getenv("KUBECONFIG")}
	if s.Kubeconfig == "" {
		s.Kubeconfig = lab
	}
	s.Lab = s.Kubeconfig == lab
	if s.Config, err = clientcmd.BuildConfigFromFlags("", s.Kubeconfig); err != nil {
		return nil, fmt.Errorf("%w: start the lab with make lab-up, or set KUBECONFIG", err)
	}
	s.Config.QPS, s.Config.Burst = 100, 200
	if s.Core, err = kubernetes.NewForConfig(s.Config); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if s.Dynamic, err = dynamic.NewForConfig(s.Config); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if _, err := s.Core.Discovery().ServerVersion(); err != nil {
		return nil, fmt.Errorf("no API server at %s: %w: start the lab with make lab-up, or set KUBECONFIG", s.Config.Host, err)
	}
	s.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(s.Core.Discovery()))
	s.StorageClass, err = s.defaultStorageClass(ctx)
	return s, err
}

func (s *Site) defaultStorageClass(ctx context.Context) (string, error) {
	classes, err := s.Core.StorageV1().StorageClasses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", fmt.Errorf("list storage classes: %w", err)
	}
	for _, class := range classes.Items {
		if class.Annotations["storageclass.kubernetes.io/is-default-class"] == "true" {
			return class.Name, nil
		}
	}
	return "", errors.New("the cluster has no default storage class, where test volumes are to be made")
}

// Wait asks until there is no error, or for as long as limit says: often at first, then twice a second.
func Wait(ctx context.Context, limit time.Duration, what string, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait %s for %s: %w", limit, what, err)
		case <-time.After(pause):
		}
	}
}

// Resource finds the client of an object's kind.
func (s *Site) Resource(object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	kind := object.GroupVersionKind()
	mapping, err := s.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		s.mapper.Reset() // a definition may have come since
		if mapping, err = s.mapper.RESTMapping(kind.GroupKind(), kind.Version); err != nil {
			return nil, fmt.Errorf("kind %s: %w", kind, err)
		}
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		return s.Dynamic.Resource(mapping.Resource).Namespace(object.GetNamespace()), nil
	}
	return s.Dynamic.Resource(mapping.Resource), nil
}

// Decode reads the documents of a YAML stream.
func Decode(manifest string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("decode manifest: %w", err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// Apply applies the documents of a YAML stream, server-side.
func (s *Site) Apply(ctx context.Context, manifest string) error {
	objects, err := Decode(manifest)
	if err != nil {
		return err
	}
	for _, object := range objects {
		resource, err := s.Resource(object)
		if err != nil {
			return err
		}
		_, err = resource.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "casshook-test", Force: true})
		if err != nil {
			return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

// Namespace makes a namespace.
func (s *Site) Namespace(ctx context.Context, name string) error {
	_, err := s.Core.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	return err
}

// RemoveNamespace deletes a namespace with all that is in it and waits until it is gone. Datacenters go first: without them
// nobody takes their finalizers off.
func (s *Site) RemoveNamespace(ctx context.Context, name string, limit time.Duration) error {
	return Wait(ctx, limit, "the end of namespace "+name, func(ctx context.Context) error {
		list, err := s.Dynamic.Resource(datacenters()).Namespace(name).List(ctx, metav1.ListOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		if list != nil && len(list.Items) > 0 {
			for _, dc := range list.Items {
				if err := s.Dynamic.Resource(datacenters()).Namespace(name).Delete(ctx, dc.GetName(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
					return err
				}
			}
			return fmt.Errorf("%d datacenters are still there", len(list.Items))
		}
		err = s.Core.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err == nil {
			err = errors.New("it is being deleted")
		}
		return err
	})
}

// Patch merges into an object.
func (s *Site) Patch(ctx context.Context, object *unstructured.Unstructured, merge string) error {
	resource, err := s.Resource(object)
	if err != nil {
		return err
	}
	_, err = resource.Patch(ctx, object.GetName(), types.MergePatchType, []byte(merge), metav1.PatchOptions{})
	return err
}

// Exec runs a command in a container and returns what it printed; the error has its stderr.
func (s *Site) Exec(ctx context.Context, namespace, pod, container string, argv ...string) (string, error) {
	request := s.Core.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: container, Command: argv, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewWebSocketExecutor(s.Config, "GET", request.URL().String())
	if err != nil {
		return "", fmt.Errorf("exec in %s: %w", pod, err)
	}
	var stdout, stderr bytes.Buffer
	if err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr}); err != nil {
		return stdout.String(), fmt.Errorf("exec %s in %s: %w: %s", strings.Join(argv, " "), pod, err, stderr.String())
	}
	return stdout.String(), nil
}
