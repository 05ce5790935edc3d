package front_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/mgmtapi-standin/front"
)

// authority signs certificates.
type authority struct {
	t           *testing.T
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.certificate, a.key = a.sign(template)
	return a
}

func (a *authority) sign(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	parent, parentKey := a.certificate, a.key
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	require.NoError(a.t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return certificate, key
}

// files writes a certificate of a name that nobody checks, and its key as PKCS #8, which the real one wants.
func (a *authority) files() front.TLSFiles {
	a.t.Helper()
	certificate, key := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "anything"}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a.t, err)
	dir := a.t.TempDir()
	f := front.TLSFiles{CA: filepath.Join(dir, "ca.crt"), Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	for path, block := range map[string]*pem.Block{
		f.CA: {Type: "CERTIFICATE", Bytes: a.certificate.Raw}, f.Cert: {Type: "CERTIFICATE", Bytes: certificate.Raw},
		f.Key: {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		require.NoError(a.t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
	}
	return f
}

func TestTLSDemandsClientCertificatesOfTheCA(t *testing.T) {
	t.Parallel()
	ours, others := newAuthority(t), newAuthority(t)
	server := ours.files()
	o := fake(t, patient)
	o.TLS = &server
	c, _ := serve(t, o)
	require.Equal(t, ok("OK"), c.get(livenessPath), "the socket has no TLS")

	base := "127.0.0.1:" + strconv.Itoa(o.Port) + livenessPath
	get := func(scheme string, files *front.TLSFiles) (int, error) {
		config := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // it is the server that is tried
		if files != nil {
			pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
			require.NoError(t, err)
			config.Certificates = []tls.Certificate{pair}
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		response, err := client.Get(scheme + "://" + base)
		if err != nil {
			return 0, err
		}
		return response.StatusCode, response.Body.Close()
	}
	mine, foreign := ours.files(), others.files()
	status, err := get("https", &mine)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	_, err = get("https", nil)
	require.ErrorContains(t, err, "certificate required")
	_, err = get("https", &foreign)
	require.Error(t, err)
	status, err = get("http", nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, status)
}

func TestTLSFilesMustBeThere(t *testing.T) {
	t.Parallel()
	files := newAuthority(t).files()
	for name, broken := range map[string]front.TLSFiles{
		"no certificate": {CA: files.CA, Cert: "/nowhere", Key: files.Key},
		"no CA":          {CA: "/nowhere", Cert: files.Cert, Key: files.Key},
		"CA is a key":    {CA: files.Key, Cert: files.Cert, Key: files.Key},
	} {
		o := fake(t, patient)
		o.TLS = &broken
		require.ErrorContains(t, front.Run(t.Context(), o, discard()), "of the Management API", name)
	}
}
