package stream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/httpstream"

	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
)

// forwardLimit is how long a port-forward and the TLS handshake on it may take.
const forwardLimit = 30 * time.Second

// DialCQL implements ring.Dialer: one port-forward, without a local port that
// others could use.
func (p *Pods) DialCQL(ctx context.Context, node ring.Node) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, forwardLimit, fmt.Errorf("no connection within %s", forwardLimit))
	defer cancel()
	conn, err := p.forward(ctx, node)
	if err != nil {
		if apierrors.IsForbidden(err) {
			err = api.Forbidden(api.NewRequest("create", "pods/portforward", p.namespace, node.Name), err)
		}
		return nil, fmt.Errorf("node %s: port-forward to port %d: %w", node.Name, node.CQLPort, err)
	}
	if !p.options.Seen(node.Name).TLS {
		return conn, nil
	}
	secured, err := p.secure(ctx, conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("node %s: TLS with port %d: %w", node.Name, node.CQLPort, err)
	}
	return secured, nil
}

// forward opens the streams. client-go's dialers know no context: one that comes
// too late is closed.
func (p *Pods) forward(ctx context.Context, node ring.Node) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	opened := make(chan result)
	go func() {
		conn, err := p.open(node)
		select {
		case opened <- result{conn, err}:
		case <-ctx.Done():
			if conn != nil {
				conn.Close()
			}
		}
	}()
	select {
	case r := <-opened:
		return r.conn, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (p *Pods) open(node ring.Node) (net.Conn, error) {
	conn, err := p.streams.dial(p.namespace, node.Name)
	if err != nil {
		return nil, err
	}
	forwarded, err := newForwarded(conn, node)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return forwarded, nil
}

// forwarded is a port-forward as a net.Conn. Its deadlines are those of a pipe
// between the caller and the stream, which has none.
type forwarded struct {
	net.Conn
	conn   httpstream.Connection
	remote net.Addr

	mu    sync.Mutex
	cause error
}

// newForwarded opens the two streams of the protocol: one for data, and one on
// which the kubelet says why there is none.
func newForwarded(conn httpstream.Connection, node ring.Node) (net.Conn, error) {
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(node.CQLPort))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	failure, err := conn.CreateStream(headers)
	if err != nil {
		return nil, err
	}
	failure.Close() // nothing is written to it
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := conn.CreateStream(headers)
	if err != nil {
		return nil, err
	}
	ours, theirs := net.Pipe()
	// The CQL driver wants a TCP address.
	f := &forwarded{Conn: ours, conn: conn, remote: &net.TCPAddr{IP: net.ParseIP(node.Address), Port: node.CQLPort}}
	said := make(chan struct{})
	go func() {
		defer close(said)
		f.listen(failure)
	}()
	go func() {
		_, _ = io.Copy(data, theirs)
		data.Close()
	}()
	go func() {
		_, _ = io.Copy(theirs, data)
		select { // the reason may come after the end
		case <-said:
		case <-conn.CloseChan():
		case <-time.After(time.Second):
		}
		theirs.Close()
	}()
	return f, nil
}

// listen keeps what the kubelet says, and ends the connection then.
func (f *forwarded) listen(failure io.Reader) {
	message, _ := io.ReadAll(failure)
	if text := strings.TrimSpace(string(message)); text != "" {
		f.mu.Lock()
		f.cause = fmt.Errorf("port-forward: %s", text)
		f.mu.Unlock()
		f.conn.Close()
	}
}

// Read implements net.Conn; where the kubelet said why the stream ended, that is
// the error.
func (f *forwarded) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	return n, f.explain(err)
}

// Write implements net.Conn as Read does.
func (f *forwarded) Write(p []byte) (int, error) {
	n, err := f.Conn.Write(p)
	return n, f.explain(err)
}

// SetDeadline implements net.Conn as Read does.
func (f *forwarded) SetDeadline(at time.Time) error { return f.explain(f.Conn.SetDeadline(at)) }

// SetReadDeadline implements net.Conn as Read does.
func (f *forwarded) SetReadDeadline(at time.Time) error { return f.explain(f.Conn.SetReadDeadline(at)) }

// SetWriteDeadline implements net.Conn as Read does.
func (f *forwarded) SetWriteDeadline(at time.Time) error {
	return f.explain(f.Conn.SetWriteDeadline(at))
}

func (f *forwarded) explain(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cause != nil {
		return f.cause
	}
	return err
}

// RemoteAddr implements net.Conn.
func (f *forwarded) RemoteAddr() net.Addr { return f.remote }

// Close implements net.Conn.
func (f *forwarded) Close() error { return errors.Join(f.Conn.Close(), f.conn.Close()) }

// secure speaks TLS on the connection.
func (p *Pods) secure(ctx context.Context, conn net.Conn) (net.Conn, error) {
	config, err := p.tlsConfig(ctx)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return secured, nil
}

// tlsConfig never checks the server's name: the stream ends on the loopback of
// the pod that was asked for, behind the API server, which was authenticated; a
// certificate could name anything. With a CA the certificate must come from it;
// without one it is not looked at, for the same reason.
func (p *Pods) tlsConfig(ctx context.Context) (*tls.Config, error) {
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} //nolint:gosec // see above
	name := p.options.ClientTLSSecret
	if name == "" {
		return config, nil
	}
	data, err := p.client.Secret(ctx, p.namespace, name)
	if err != nil {
		return nil, err
	}
	if len(data[objects.CAKey]) > 0 {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(data[objects.CAKey]) {
			return nil, fmt.Errorf("secret %s: %s holds no certificate", name, objects.CAKey)
		}
		config.VerifyConnection = func(s tls.ConnectionState) error { return verifyChain(s, roots) }
	}
	if len(data[objects.CertificateKey]) > 0 || len(data[objects.PrivateKey]) > 0 {
		pair, err := tls.X509KeyPair(data[objects.CertificateKey], data[objects.PrivateKey])
		if err != nil { // its text quotes nothing of the key
			return nil, fmt.Errorf("secret %s: %s and %s: %w", name, objects.CertificateKey, objects.PrivateKey, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func verifyChain(s tls.ConnectionState, roots *x509.CertPool) error {
	opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	for _, c := range s.PeerCertificates[1:] {
		opts.Intermediates.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(opts)
	return err
}
