package api

import (
	"context"

	corev1 "k8s.io/api/core/v1"
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
