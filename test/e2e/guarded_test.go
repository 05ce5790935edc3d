//go:build kube && full

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/test/lab/site"
)

// guardedTables is enough where nothing happens in the middle.
const guardedTables = 3

// TestGuarded backs up and restores in place where containers and connections are guarded: one ring whose user is none of the
// image's, as OpenShift gives it, whose Management API asks for certificates and whose CQL is TLS; and one of 4.1 with a root
// file system that can be written, and a superuser's secret of the user's own.
func TestGuarded(t *testing.T) {
	t.Parallel()
	w := open(t, "guarded")
	w.managementSecrets(t)
	w.keystore(t)
	strict := site.Datacenter{Namespace: w.namespace, Name: "strict", Cluster: "strict", Size: 1, Spec: map[string]any{
		"managementApiAuth": map[string]any{"manual": map[string]any{"clientSecretName": "api-client", "serverSecretName": "api-server"}},
		"podTemplateSpec": map[string]any{"spec": map[string]any{
			"securityContext": map[string]any{"runAsUser": int64(12345), "runAsGroup": int64(0), "fsGroup": int64(12345), "runAsNonRoot": true},
			"containers":      []any{map[string]any{"name": "cassandra", "volumeMounts": []any{map[string]any{"name": "cql-tls", "mountPath": "/crypto"}}}},
			"volumes":         []any{map[string]any{"name": "cql-tls", "secret": map[string]any{"secretName": "cql-keystore"}}},
		}},
	}, YAML: map[string]any{"client_encryption_options": map[string]any{
		"enabled": true, "optional": false, "keystore": "/crypto/keystore.p12", "keystore_password": storePassword, "store_type": "PKCS12",
	}}}
	loose := site.Datacenter{Namespace: w.namespace, Name: "loose", Cluster: "loose", Size: 1, Version: "4.1.10", Spec: map[string]any{
		"readOnlyRootFilesystem": false, "superuserSecretName": "admin",
	}}
	w.secret(t, "admin", corev1.SecretTypeOpaque, map[string]string{"username": "admin", "password": "unmistakable-77ab"})
	for _, d := range []site.Datacenter{strict, loose} {
		require.NoError(t, w.Create(t.Context(), d))
	}

	t.Run("strict", func(t *testing.T) {
		w.ready(t, strict)
		require.Equal(t, "12345 0", w.identity(t, strict))
		pods, err := w.Pods(t.Context(), strict)
		require.NoError(t, err)
		_, err = w.Exec(t.Context(), strict.Namespace, pods[0], "cassandra", "curl", "--silent", "--show-error", "--insecure", "https://localhost:8080/api/v0/probes/liveness")
		require.ErrorContains(t, err, "certificate required", "the port asks for a certificate")
		want := w.shop(t, strict, guardedTables)
		for _, flags := range [][]string{nil, {"--cql-tls-secret=cql-keystore"}} {
			w.roundTrip(t, strict, flags...)
			w.same(t, strict, want)
		}
		w.refused(t, 3, run{args: []string{"before-backup", "--datacenter=strict", "--cql-tls-secret=api-client"}}, "certificate signed by unknown authority")
		require.Empty(t, w.leftovers(t, strict))
	})
	t.Run("loose", func(t *testing.T) {
		w.ready(t, loose)
		require.Equal(t, "999 999", w.identity(t, loose))
		pods, err := w.Pods(t.Context(), loose)
		require.NoError(t, err)
		_, err = w.Exec(t.Context(), loose.Namespace, pods[0], "cassandra", "touch", "/opt/cassandra/written")
		require.NoError(t, err)
		want := w.shop(t, loose, guardedTables)
		w.roundTrip(t, loose)
		w.same(t, loose, want)
		w.superuserSecret(t, loose)
		w.same(t, loose, want)
	})
}

// roundTrip backs a datacenter up, damages it and restores it in place.
func (w *world) roundTrip(t *testing.T, d site.Datacenter, flags ...string) {
	t.Helper()
	flags = append(flags, "--datacenter="+d.Name)
	w.must(t, append(flags, "before-backup")...)
	w.damage(t, d, guardedTables)
	w.must(t, append(flags, "after-restore", "--in-place")...)
	require.Empty(t, w.leftovers(t, d))
}

// superuserSecret is missing, and then lacks the password.
func (w *world) superuserSecret(t *testing.T, d site.Datacenter) {
	t.Helper()
	secrets := w.Core.CoreV1().Secrets(w.namespace)
	secret, err := secrets.Get(t.Context(), d.SuperuserSecret(), metav1.GetOptions{})
	require.NoError(t, err)
	backup := run{args: []string{"before-backup", "--datacenter=" + d.Name, "--ready-timeout=1s"}}

	require.NoError(t, secrets.Delete(t.Context(), secret.Name, metav1.DeleteOptions{}))
	w.refused(t, 3, backup, "datacenter "+w.namespace+"/"+d.Name, secret.Name)
	w.secret(t, secret.Name, secret.Type, map[string]string{"username": "admin"})
	w.refused(t, 3, backup, "datacenter "+w.namespace+"/"+d.Name, secret.Name, "password")
	require.Empty(t, w.leftovers(t, d))

	require.NoError(t, secrets.Delete(t.Context(), secret.Name, metav1.DeleteOptions{}))
	w.secret(t, secret.Name, secret.Type, map[string]string{"username": "admin", "password": string(secret.Data["password"])})
	w.must(t, "before-backup", "--datacenter="+d.Name)
	w.must(t, "after-backup", "--datacenter="+d.Name)
}

// identity is user and group of Cassandra's container.
func (w *world) identity(t *testing.T, d site.Datacenter) string {
	t.Helper()
	pods, err := w.Pods(t.Context(), d)
	require.NoError(t, err)
	out, err := w.Exec(t.Context(), d.Namespace, pods[0], "cassandra", "sh", "-c", `printf '%s %s' "$(id -u)" "$(id -g)"`)
	require.NoError(t, err)
	return out
}

func (w *world) secret(t *testing.T, name string, kind corev1.SecretType, data map[string]string) {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Type: kind, Data: map[string][]byte{}}
	for key, value := range data {
		secret.Data[key] = []byte(value)
	}
	_, err := w.Core.CoreV1().Secrets(w.namespace).Create(t.Context(), secret, metav1.CreateOptions{})
	require.NoError(t, err)
}

// storePassword is that of the key store.
const storePassword = "changeit"

// keystore makes a key store with a certificate that signs itself, which so is its own CA.
func (w *world) keystore(t *testing.T) {
	t.Helper()
	store := filepath.Join(t.TempDir(), "keystore.p12")
	keytool(t, "-genkeypair", "-alias", "cql", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=cassandra", "-validity", "2",
		"-ext", "bc:c", "-storetype", "PKCS12", "-keystore", store, "-storepass", storePassword)
	ca := keytool(t, "-exportcert", "-rfc", "-alias", "cql", "-keystore", store, "-storepass", storePassword)
	content, err := os.ReadFile(store)
	require.NoError(t, err)
	w.secret(t, "cql-keystore", corev1.SecretTypeOpaque, map[string]string{"keystore.p12": string(content), "ca.crt": ca})
}

func keytool(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "keytool", args...).Output()
	require.NoError(t, err, "keytool: %s", out)
	return string(out)
}

// managementSecrets are those of managementApiAuth.manual: two certificates of one CA.
func (w *world) managementSecrets(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	root, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	require.NoError(t, err)
	for i, name := range []string{"api-client", "api-server"} {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		leaf := &x509.Certificate{SerialNumber: big.NewInt(int64(2 + i)), Subject: pkix.Name{CommonName: name}, NotBefore: ca.NotBefore,
			NotAfter: ca.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
		certificate, err := x509.CreateCertificate(rand.Reader, leaf, ca, own.Public(), key)
		require.NoError(t, err)
		private, err := x509.MarshalPKCS8PrivateKey(own)
		require.NoError(t, err)
		w.secret(t, name, corev1.SecretTypeTLS, map[string]string{
			"ca.crt": text("CERTIFICATE", root), "tls.crt": text("CERTIFICATE", certificate), "tls.key": text("PRIVATE KEY", private)})
	}
}

// text is PEM.
func text(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
