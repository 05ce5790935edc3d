package operatorstandin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	managementPort        = "mgmt-api-http"
	defaultManagementPort = 8080
)

// Management calls the Management API of one pod. It may be called concurrently. An answer of 300 and above is an error. No
// error may hold the query, which has passwords in it.
type Management interface {
	Call(ctx context.Context, request Request) ([]byte, error)
}

// Request is one call of a Management API.
type Request struct {
	Pod    *corev1.Pod
	Method string
	// Path begins with /api/.
	Path  string
	Query url.Values
	// Limit is how long the call may take.
	Limit time.Duration
	// Credentials is a secret with ca.crt, tls.crt and tls.key; nil means plain HTTP.
	Credentials *corev1.Secret
}

// HTTP is the Management over the network.
type HTTP struct{}

var _ Management = HTTP{}

// Call makes a connection of its own, since pods come and go.
func (HTTP) Call(ctx context.Context, request Request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, request.Limit)
	defer cancel()
	what := fmt.Sprintf("%s %s of pod %s", request.Method, request.Path, request.Pod.Name)
	transport, scheme, err := transport(request.Credentials)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer transport.CloseIdleConnections()
	address := url.URL{Scheme: scheme, Path: request.Path, RawQuery: request.Query.Encode(),
		Host: net.JoinHostPort(request.Pod.Status.PodIP, strconv.Itoa(int(port(request.Pod))))}
	call, err := http.NewRequestWithContext(ctx, request.Method, address.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, withoutURL(err))
	}
	response, err := (&http.Client{Transport: transport}).Do(call)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, withoutURL(err))
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return nil, fmt.Errorf("%s: read answer: %w", what, withoutURL(err))
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("%s: %s: %s", what, response.Status, beginning(body))
	}
	return body, nil
}

func beginning(body []byte) string {
	const most = 200
	return strings.TrimSpace(string(body[:min(len(body), most)]))
}

// withoutURL strips the URL, which may hold a password, from an error of net/http.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// transport checks the server's chain but not its name: pods are reached by address.
func transport(credentials *corev1.Secret) (*http.Transport, string, error) {
	plain := &http.Transport{DisableKeepAlives: true}
	if credentials == nil {
		return plain, "http", nil
	}
	pair, err := tls.X509KeyPair(credentials.Data["tls.crt"], credentials.Data["tls.key"])
	if err != nil {
		return nil, "", fmt.Errorf("read client certificate of secret %s: %w", credentials.Name, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(credentials.Data["ca.crt"]) {
		return nil, "", fmt.Errorf("read ca.crt of secret %s: no certificate in it", credentials.Name)
	}
	plain.TLSClientConfig = &tls.Config{
		Certificates:       []tls.Certificate{pair},
		InsecureSkipVerify: true, // the name is not checked; VerifyConnection checks the chain
		VerifyConnection: func(state tls.ConnectionState) error {
			between := x509.NewCertPool()
			for _, certificate := range state.PeerCertificates[1:] {
				between.AddCert(certificate)
			}
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
			return err
		},
	}
	return plain, "https", nil
}

// call sends a request with the datacenter's credentials and the limit.
func (r *round) call(ctx context.Context, pod *corev1.Pod, method, path string, query url.Values) ([]byte, error) {
	limit := r.waits.Request
	switch path {
	case pathStart:
		limit = r.waits.Start
	case pathDrain:
		limit = r.waits.Drain
	}
	request := Request{Pod: pod, Method: method, Path: path, Query: query, Limit: limit}
	if manual := r.dc.manual(); manual != nil {
		request.Credentials = r.seen.Secrets[manual.ClientSecretName]
		if request.Credentials == nil {
			return nil, fmt.Errorf("%s %s of pod %s: secret %s is missing", method, path, pod.Name, manual.ClientSecretName)
		}
	}
	return r.management.Call(ctx, request)
}

// Paths of the Management API (management-api-server/doc/openapi.json of
// github.com/k8ssandra/management-api-for-apache-cassandra).
const (
	pathStart     = "/api/v0/lifecycle/start"
	pathDrain     = "/api/v0/ops/node/drain"
	pathSeeds     = "/api/v0/ops/seeds/reload"
	pathEndpoints = "/api/v0/metadata/endpoints"
	pathProbe     = "/api/v0/probes/cluster"
	pathRole      = "/api/v0/ops/auth/role"
	pathLiveness  = "/api/v0/probes/liveness"
	pathReadiness = "/api/v0/probes/readiness"
)

// hostID asks a pod for its own host ID; "" while the node is not NORMAL.
func (r *round) hostID(ctx context.Context, pod *corev1.Pod) (string, error) {
	body, err := r.call(ctx, pod, http.MethodGet, pathEndpoints, nil)
	if err != nil {
		return "", err
	}
	return findHostID(body, pod.Status.PodIP)
}

// findHostID reads the document of metadata/endpoints. Addresses come with or without a leading host name and slash.
func findHostID(document []byte, ip string) (string, error) {
	var answer struct {
		Entity []map[string]string `json:"entity"`
	}
	if err := json.Unmarshal(document, &answer); err != nil {
		return "", fmt.Errorf("read endpoints: %w", err)
	}
	for _, endpoint := range answer.Entity {
		for _, key := range []string{"NATIVE_ADDRESS_AND_PORT", "RPC_ADDRESS", "ENDPOINT_IP"} {
			if !sameAddress(endpoint[key], ip) {
				continue
			}
			status := endpoint["STATUS_WITH_PORT"]
			if status == "" {
				status = endpoint["STATUS"]
			}
			if strings.HasPrefix(status, "NORMAL") {
				return endpoint["HOST_ID"], nil
			}
			return "", nil
		}
	}
	return "", nil
}

func sameAddress(text, ip string) bool {
	if _, after, ok := strings.Cut(text, "/"); ok {
		text = after
	}
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	parsed := net.ParseIP(text)
	return parsed != nil && parsed.Equal(net.ParseIP(ip))
}
