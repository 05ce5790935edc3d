package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Secret reads a secret. No value of it may go into any error.
func (c *Client) Secret(ctx context.Context, namespace, name string) (map[string][]byte, error) {
	var data map[string][]byte
	err := c.Do(ctx, NewRequest("get", "secrets", namespace, name), func(ctx context.Context) error {
		s, err := c.Typed.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			data = s.Data
		}
		return err
	})
	return data, err
}

// NamespaceMissing tells whether a namespace does not exist. Who may not look takes it
// for one that does.
func (c *Client) NamespaceMissing(ctx context.Context, namespace string) bool {
	err := c.Do(ctx, NewRequest("get", "namespaces", namespace, namespace), func(ctx context.Context) error {
		_, err := c.Typed.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
		return err
	})
	return Absent(err)
}

// Pods lists the pods of a namespace.
func (c *Client) Pods(ctx context.Context, namespace string, opts metav1.ListOptions) ([]corev1.Pod, error) {
	var pods []corev1.Pod
	err := c.Do(ctx, NewRequest("list", "pods", namespace, ""), func(ctx context.Context) error {
		list, err := c.Typed.CoreV1().Pods(namespace).List(ctx, opts)
		if err == nil {
			pods = list.Items
		}
		return err
	})
	return pods, err
}

// Claims lists the volume claims of a namespace.
func (c *Client) Claims(ctx context.Context, namespace string) ([]corev1.PersistentVolumeClaim, error) {
	var claims []corev1.PersistentVolumeClaim
	err := c.Do(ctx, NewRequest("list", "persistentvolumeclaims", namespace, ""), func(ctx context.Context) error {
		list, err := c.Typed.CoreV1().PersistentVolumeClaims(namespace).List(ctx, metav1.ListOptions{})
		if err == nil {
			claims = list.Items
		}
		return err
	})
	return claims, err
}

// ClusterHash tells one Kubernetes from another: the first 16 hex digits of the SHA-256
// of the root certificate that every namespace has (kube-root-ca.crt, published by
// kube-controller-manager). It is empty where there is none, or it may not be read.
func (c *Client) ClusterHash(ctx context.Context, namespace string) (string, error) {
	const name, key = "kube-root-ca.crt", "ca.crt"
	certificate := ""
	err := c.Do(ctx, NewRequest("get", "configmaps", namespace, name), func(ctx context.Context) error {
		m, err := c.Typed.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			certificate = m.Data[key]
		}
		return err
	})
	if Absent(err) || apierrors.IsForbidden(err) || err == nil && certificate == "" {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(certificate))
	return hex.EncodeToString(sum[:])[:16], nil
}
