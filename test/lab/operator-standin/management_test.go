package operatorstandin

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podAt is a pod whose Management API is a test server.
func podAt(t *testing.T, server *httptest.Server) *corev1.Pod {
	t.Helper()
	host, text, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	number, err := strconv.Atoi(text)
	require.NoError(t, err)
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Status: corev1.PodStatus{PodIP: host},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: cassandraContainer,
			Ports: []corev1.ContainerPort{{Name: managementPort, ContainerPort: int32(number)}}}}}}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != pathRole {
			http.Error(w, "no such role", http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte(r.Method + " " + r.URL.Query().Get("username")))
	}))
	defer server.Close()
	request := Request{Pod: podAt(t, server), Method: http.MethodPost, Path: pathRole, Limit: time.Minute,
		Query: url.Values{"username": {"a b&c"}, "password": {"s3cret"}}}
	body, err := HTTP{}.Call(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, "POST a b&c", string(body))

	request.Path = pathDrain
	_, err = HTTP{}.Call(t.Context(), request)
	require.EqualError(t, err, "POST /api/v0/ops/node/drain of pod p: 500 Internal Server Error: no such role")

	server.Close()
	_, err = HTTP{}.Call(t.Context(), request)
	require.ErrorContains(t, err, "connection refused")
	require.NotContains(t, err.Error(), "s3cret")
}

func TestHTTPHasALimit(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	defer server.Close()
	defer close(stop)
	_, err := HTTP{}.Call(t.Context(), Request{Pod: podAt(t, server), Method: http.MethodGet, Path: pathProbe, Limit: time.Millisecond})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestHTTPWithCertificates(t *testing.T) {
	t.Parallel()
	authority, foreign := newAuthority(t), newAuthority(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("OK")) }))
	serverSecret := authority.secret(t, "server")
	pair, err := tls.X509KeyPair(serverSecret.Data["tls.crt"], serverSecret.Data["tls.key"])
	require.NoError(t, err)
	clients := x509.NewCertPool()
	clients.AddCert(authority.certificate)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	server.StartTLS()
	defer server.Close()
	request := Request{Pod: podAt(t, server), Method: http.MethodGet, Path: pathProbe, Limit: time.Minute}

	request.Credentials = authority.secret(t, "client")
	_, err = HTTP{}.Call(t.Context(), request)
	require.NoError(t, err, "the server's name is not that of the pod's address")

	request.Credentials = foreign.secret(t, "client")
	_, err = HTTP{}.Call(t.Context(), request)
	require.ErrorContains(t, err, "certificate signed by unknown authority", "the chain is checked")

	request.Credentials = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "empty"}}
	_, err = HTTP{}.Call(t.Context(), request)
	require.ErrorContains(t, err, "client certificate of secret empty")

	request.Credentials = nil
	_, err = HTTP{}.Call(t.Context(), request)
	require.ErrorContains(t, err, "400", "plain HTTP")
}

func TestManualAuthorizationIsUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t, "spec: {managementApiAuth: {manual: {clientSecretName: client, serverSecretName: server}}}"))
	authority := newAuthority(t)
	for _, name := range []string{"client", "server"} {
		secret := authority.secret(t, name)
		secret.Namespace, secret.Type = "db", corev1.SecretTypeTLS
		_, err := w.core.CoreV1().Secrets("db").Create(t.Context(), secret, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	names := map[string]bool{}
	w.op.management = spy{w, func(r Request) { names[r.Credentials.Name] = true }}
	w.until("Ready", w.isReady("dc1"))
	require.Equal(t, map[string]bool{"client": true}, names)
}

type spy struct {
	Management
	see func(Request)
}

func (s spy) Call(ctx context.Context, request Request) ([]byte, error) {
	s.see(request)
	return s.Management.Call(ctx, request)
}

func TestFindHostID(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ document, want string }{
		"plain":            {`{"entity":[{"ENDPOINT_IP":"10.0.0.2","HOST_ID":"b"},{"ENDPOINT_IP":"10.0.0.1","HOST_ID":"a","STATUS":"NORMAL,1"}]}`, "a"},
		"slash and port":   {`{"entity":[{"NATIVE_ADDRESS_AND_PORT":"/10.0.0.1:9042","HOST_ID":"a","STATUS_WITH_PORT":"NORMAL,1"}]}`, "a"},
		"still joining":    {`{"entity":[{"ENDPOINT_IP":"10.0.0.1","HOST_ID":"a","STATUS":"BOOT,1"}]}`, ""},
		"another node":     {`{"entity":[{"ENDPOINT_IP":"10.0.0.11","HOST_ID":"a","STATUS":"NORMAL,1"}]}`, ""},
		"nothing known":    {`{"entity":[]}`, ""},
		"wildcard address": {`{"entity":[{"RPC_ADDRESS":"0.0.0.0","ENDPOINT_IP":"10.0.0.1","HOST_ID":"a","STATUS":"NORMAL"}]}`, "a"},
	} {
		id, err := findHostID([]byte(c.document), "10.0.0.1")
		require.NoError(t, err, name)
		require.Equal(t, c.want, id, name)
	}
	_, err := findHostID([]byte("Internal Server Error"), "10.0.0.1")
	require.ErrorContains(t, err, "read endpoints")
}

type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &authority{certificate, key}
}

func (a *authority) secret(t *testing.T, name string) *corev1.Secret {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name + ".example"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	encode := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string][]byte{
		"ca.crt": encode("CERTIFICATE", a.certificate.Raw), "tls.crt": encode("CERTIFICATE", der), "tls.key": encode("PRIVATE KEY", private)}}
}
