package operatorstandin

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// superuserSecret makes the superuser's secret if it is absent. It has no owner, so that it outlives the datacenter: a restore
// must find the password that goes with the restored roles.
func (r *round) superuserSecret(ctx context.Context) (outcome, error) {
	name := r.dc.SuperuserSecretName()
	if r.seen.Secrets[name] != nil || r.dc.Spec.SuperuserSecretName != "" {
		return proceed()
	}
	password := make([]byte, 40)
	if _, err := rand.Read(password); err != nil {
		return fail(fmt.Errorf("make superuser password: %w", err))
	}
	secret, err := r.core.CoreV1().Secrets(r.dc.Namespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: r.dc.Namespace, Labels: merged(r.dc.operatorLabels(), r.dc.clusterLabels()),
		},
		Type: corev1.SecretTypeOpaque,
		Data: map[string][]byte{
			"username": []byte(CleanupForKubernetes(r.dc.Spec.ClusterName) + "-superuser"),
			"password": []byte(base64.RawURLEncoding.EncodeToString(password)),
		},
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return wait("secret %s, which somebody else made", name)
	}
	if err != nil {
		return fail(fmt.Errorf("create secret %s: %w", name, err))
	}
	r.seen.Secrets[name] = secret
	return proceed()
}

// upsertUsers writes every user's password to Cassandra, whatever it was: after a restore the secrets win over the roles.
func (r *round) upsertUsers(ctx context.Context) (outcome, error) {
	if r.dc.Annotations[skipUsersAnnotation] == "true" || r.dc.Spec.Stopped {
		return proceed()
	}
	if err := r.watchSecrets(ctx); err != nil {
		return fail(err)
	}
	pods := slices.DeleteFunc(r.seen.datacenter(r.dc), func(pod *corev1.Pod) bool { return !ready(pod) })
	if len(pods) == 0 {
		return wait("a ready pod to make users with")
	}
	for _, user := range r.dc.users() {
		secret := r.seen.Secrets[user.SecretName]
		if secret == nil {
			return fail(fmt.Errorf("upsert user: secret %s does not exist", user.SecretName))
		}
		query := url.Values{
			"username":     {string(secret.Data["username"])},
			"password":     {string(secret.Data["password"])},
			"is_superuser": {strconv.FormatBool(user.Superuser)},
			"can_login":    {"true"},
		}
		if _, err := r.call(ctx, pods[0], http.MethodPost, pathRole, query); err != nil {
			return fail(fmt.Errorf("upsert user of secret %s: %w", user.SecretName, err))
		}
	}
	r.event(ctx, normalEvent, eventCreatedUsers, "Created users")
	r.status.UsersUpserted, r.status.SuperUserUpserted = timestamp(r.now()), timestamp(r.now())
	return proceed()
}

// watchSecrets marks the users' secrets with who watches them, as a JSON list of namespace/name.
func (r *round) watchSecrets(ctx context.Context) error {
	for _, user := range r.dc.users() {
		secret := r.seen.Secrets[user.SecretName]
		if secret == nil {
			continue
		}
		watchers, err := watchers(secret)
		if err != nil {
			return err
		}
		if !slices.Contains(watchers, r.watcher()) {
			if err := r.setWatchers(ctx, secret, append(watchers, r.watcher())); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *round) watcher() string { return r.dc.Namespace + "/" + r.dc.Name }

func watchers(secret *corev1.Secret) ([]string, error) {
	text, ok := secret.Annotations[watchedByAnnotation]
	if !ok {
		return nil, nil
	}
	var watchers []string
	if err := json.Unmarshal([]byte(text), &watchers); err != nil {
		return nil, fmt.Errorf("read watchers of secret %s: %w", secret.Name, err)
	}
	return watchers, nil
}

func (r *round) setWatchers(ctx context.Context, secret *corev1.Secret, watchers []string) error {
	labels, annotations := map[string]any{watchedLabel: nil}, map[string]any{watchedByAnnotation: nil}
	if len(watchers) > 0 {
		text, err := json.Marshal(watchers)
		if err != nil {
			return fmt.Errorf("watch secret %s: %w", secret.Name, err)
		}
		labels[watchedLabel], annotations[watchedByAnnotation] = "true", string(text)
	}
	patch, err := metadataPatch(labels, annotations)
	if err == nil {
		_, err = r.core.CoreV1().Secrets(secret.Namespace).Patch(ctx, secret.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	}
	if err != nil {
		return fmt.Errorf("watch secret %s: %w", secret.Name, err)
	}
	return nil
}

// unwatchSecrets takes the marks away again.
func (r *round) unwatchSecrets(ctx context.Context) error {
	for _, user := range r.dc.users() {
		secret := r.seen.Secrets[user.SecretName]
		if secret == nil {
			continue
		}
		have, err := watchers(secret)
		if err != nil {
			return err
		}
		if left := slices.DeleteFunc(slices.Clone(have), func(name string) bool { return name == r.watcher() }); len(left) < len(have) {
			if err := r.setWatchers(ctx, secret, left); err != nil {
				return err
			}
		}
	}
	return nil
}
