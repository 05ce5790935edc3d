package site

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"

	operatorstandin "github.com/casshook/casshook/test/lab/operator-standin"
	"github.com/casshook/casshook/test/lab/zoo"
)

// Forward opens a local port that leads to a port of a pod, until stop is called.
func (s *Site) Forward(namespace, pod string, port int) (local int, stop func(), err error) {
	transport, upgrader, err := spdy.RoundTripperFor(s.Config)
	if err != nil {
		return 0, nil, err
	}
	target := s.Core.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("portforward").URL()
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, (*url.URL)(target))
	end, ready := make(chan struct{}), make(chan struct{})
	forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, end, ready, io.Discard, io.Discard)
	if err != nil {
		return 0, nil, err
	}
	failed := make(chan error, 1)
	go func() { failed <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-failed:
		return 0, nil, fmt.Errorf("forward to %s: %w", pod, err)
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		close(end)
		return 0, nil, err
	}
	return int(ports[0].Local), func() { close(end) }, nil
}

// SuperuserSecret is the name of the secret that spec.superuserSecretName names, or that the operator makes.
func (d Datacenter) SuperuserSecret() string {
	if name, ok := d.Spec["superuserSecretName"].(string); ok {
		return name
	}
	return operatorstandin.CleanupForKubernetes(d.Cluster) + "-superuser"
}

// Superuser reads the superuser's credentials.
func (s *Site) Superuser(ctx context.Context, d Datacenter) (user, password string, err error) {
	secret, err := s.Core.CoreV1().Secrets(d.Namespace).Get(ctx, d.SuperuserSecret(), metav1.GetOptions{})
	if err != nil {
		return "", "", err
	}
	return string(secret.Data["username"]), string(secret.Data["password"]), nil
}

// Session logs in at the first node as superuser; stop ends it.
func (s *Site) Session(ctx context.Context, d Datacenter) (session *gocql.Session, stop func(), err error) {
	pods, err := s.Pods(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	if len(pods) == 0 {
		return nil, nil, errors.New("no node is there")
	}
	user, password, err := s.Superuser(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	port, unforward, err := s.Forward(d.Namespace, pods[0], 9042)
	if err != nil {
		return nil, nil, err
	}
	if d.clientTLS() {
		if port, unforward, err = overTLS(port, unforward); err != nil {
			return nil, nil, err
		}
	}
	err = Wait(ctx, 5*time.Minute, "a CQL session at "+pods[0], func(context.Context) error {
		session, err = zoo.Connect("127.0.0.1", port, user, password)
		return err
	})
	if err != nil {
		unforward()
		return nil, nil, err
	}
	return session, func() { session.Close(); unforward() }, nil
}
