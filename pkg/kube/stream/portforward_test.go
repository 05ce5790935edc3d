package stream

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
)

func echo(_ string, stream io.ReadWriteCloser) error {
	_, _ = io.Copy(stream, stream)
	return nil
}

func TestDialCQL(t *testing.T) {
	t.Parallel()
	w, target, node := running(t, Options{})
	w.Listener = func(port string, stream io.ReadWriteCloser) error {
		require.Equal(t, "9042", port)
		return echo(port, stream)
	}
	conn, err := target.DialCQL(t.Context(), node)
	require.NoError(t, err)
	require.Equal(t, &net.TCPAddr{IP: net.ParseIP("10.0.0.1"), Port: 9042}, conn.RemoteAddr(), "the CQL driver wants TCP")
	require.NoError(t, conn.SetDeadline(time.Now().Add(soon)))
	for _, text := range []string{"hello", "again"} {
		_, err = io.WriteString(conn, text)
		require.NoError(t, err)
		got := make([]byte, len(text))
		_, err = io.ReadFull(conn, got)
		require.NoError(t, err)
		require.Equal(t, text, string(got))
	}
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.Close())
	_, err = conn.Write([]byte("x"))
	require.Error(t, err)
}

func TestDialCQLTellsWhy(t *testing.T) {
	t.Parallel()
	w, target, node := running(t, Options{})
	w.Listener = func(string, io.ReadWriteCloser) error {
		return errors.New("dial tcp 127.0.0.1:9042: connect: connection refused")
	}
	conn, err := target.DialCQL(t.Context(), node)
	require.NoError(t, err)
	_ = conn.SetDeadline(time.Now().Add(soon)) // the other side may be gone already
	_, err = conn.Read(make([]byte, 1))
	require.ErrorContains(t, err, "port-forward: dial tcp 127.0.0.1:9042: connect: connection refused")
	require.NoError(t, conn.Close())

	w.Listener = func(string, io.ReadWriteCloser) error { return nil }
	conn, err = target.DialCQL(t.Context(), node)
	require.NoError(t, err)
	_ = conn.SetDeadline(time.Now().Add(soon)) // the other side may be gone already
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "a server that closes is just that")
	require.NoError(t, conn.Close())

	w.Refuse = kubetest.Forbid("create /pods/portforward")
	_, err = target.DialCQL(t.Context(), node)
	require.ErrorContains(t, err, "node set-dc1-0: port-forward to port 9042: the service account may not create pods/portforward in namespace db")
}

// authority signs certificates that name nobody.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return authority{cert, key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

func (a authority) issue(t *testing.T) (cert, key string) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour)}, a.cert, &own.PublicKey, a.key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(own)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// streamConn is a stream as a net.Conn for a TLS server.
type streamConn struct {
	io.ReadWriteCloser
	net.Conn
}

func (s streamConn) Read(p []byte) (int, error)  { return s.ReadWriteCloser.Read(p) }
func (s streamConn) Write(p []byte) (int, error) { return s.ReadWriteCloser.Write(p) }
func (s streamConn) Close() error                { return s.ReadWriteCloser.Close() }

func TestDialCQLWithTLS(t *testing.T) {
	t.Parallel()
	ours, foreign := newAuthority(t), newAuthority(t)
	cert, key := ours.issue(t)
	clientCert, clientKey := ours.issue(t)
	for _, c := range []struct {
		name    string
		secret  []string // nil for none
		clients bool     // the server asks for a certificate
		refusal string
	}{
		{"nothing checked", nil, false, ""},
		{"by CA", []string{"ca.crt", ours.pem}, false, ""},
		{"another CA", []string{"ca.crt", foreign.pem}, false, "certificate signed by unknown authority"},
		{"client certificate", []string{"ca.crt", ours.pem, "tls.crt", clientCert, "tls.key", clientKey}, true, ""},
		{"no CA at all", []string{"ca.crt", "s3cret"}, false, "secret tls: ca.crt holds no certificate"},
		{"key missing", []string{"tls.crt", clientCert}, false, "secret tls: tls.crt and tls.key: "},
		{"key of nothing", []string{"tls.crt", clientCert, "tls.key", "s3cret"}, false, "secret tls: tls.crt and tls.key: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			opts := Options{}
			if c.secret != nil {
				opts.ClientTLSSecret = "tls"
			}
			w := kubetest.NewWorld(t)
			w.PutDatacenter("prod", "dc1", 1)
			if c.secret != nil {
				w.Put("", "secrets", kubetest.Secret("tls", c.secret...))
			}
			w.Listener = func(_ string, stream io.ReadWriteCloser) error {
				return serveTLS(stream, cert, key, ours, c.clients)
			}
			target := podsOf(w, opts)
			seen := target.options.Seen
			target.options.Seen = func(pod string) SeenPod {
				s := seen(pod)
				s.TLS = true
				return s
			}
			conn, err := target.DialCQL(t.Context(), nodeOfPod())
			if c.refusal != "" {
				require.ErrorContains(t, err, "node set-dc1-0: TLS with port 9042: ")
				require.ErrorContains(t, err, c.refusal)
				require.NotContains(t, err.Error(), "s3cret")
				return
			}
			require.NoError(t, err)
			require.IsType(t, &net.TCPAddr{}, conn.RemoteAddr())
			require.NoError(t, conn.SetDeadline(time.Now().Add(soon)))
			_, err = io.WriteString(conn, "hello")
			require.NoError(t, err)
			got := make([]byte, 5)
			_, err = io.ReadFull(conn, got)
			require.NoError(t, err)
			require.Equal(t, "hello", string(got))
			require.NoError(t, conn.Close())
		})
	}
}

func serveTLS(stream io.ReadWriteCloser, cert, key string, clients authority, ask bool) error {
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	if ask {
		config.ClientAuth, config.ClientCAs = tls.RequireAnyClientCert, x509.NewCertPool()
		config.ClientCAs.AddCert(clients.cert)
	}
	conn := tls.Server(streamConn{stream, nil}, config)
	_, _ = io.Copy(conn, conn)
	return nil
}
