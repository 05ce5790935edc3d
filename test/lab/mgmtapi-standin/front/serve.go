package front

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// Run serves the API until ctx is done, and then ends Cassandra before it returns.
func Run(ctx context.Context, options Options, log *slog.Logger) error {
	if err := options.Layout.configure(); err != nil {
		return err
	}
	listeners, err := options.listen()
	if err != nil {
		return err
	}
	a := newAPI(options, log)
	if options.Reap {
		if err := a.life.children.adopt(ctx); err != nil {
			return err
		}
	}
	server := &http.Server{Handler: a.handler(), ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	failed := make(chan error, len(listeners))
	for _, listener := range listeners {
		log.Info("listening", "address", listener.Addr().String())
		go func() { failed <- server.Serve(listener) }()
	}
	if options.AtOnce {
		a.life.start(ctx, "", "")
	}
	select {
	case <-ctx.Done():
	case err = <-failed:
		err = fmt.Errorf("serve: %w", err)
	}
	log.Info("ending")
	if o := a.life.stop(); o.status != http.StatusOK {
		err = errors.Join(err, errors.New(o.text))
	}
	return errors.Join(err, server.Close())
}

// listen opens the socket and the port.
func (o Options) listen() ([]net.Listener, error) {
	config, err := o.TLS.config()
	if err != nil {
		return nil, err
	}
	socket := o.Layout.Socket()
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) { // left by one that was killed
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	unix, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", socket, err)
	}
	address := net.JoinHostPort(o.Host, strconv.Itoa(o.Port))
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", address, err), unix.Close())
	}
	if config != nil {
		tcp = tls.NewListener(tcp, config)
	}
	return []net.Listener{unix, tcp}, nil
}

// config demands certificates of clients that come from the CA, whatever their names, as the real one does.
func (f *TLSFiles) config() (*tls.Config, error) {
	if f == nil {
		return nil, nil
	}
	certificate, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("load certificate of the Management API: %w", err)
	}
	text, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, fmt.Errorf("read CA of the Management API: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read CA of the Management API: no certificate in %s", f.CA)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{certificate},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    pool,
	}, nil
}

// adopt makes this process the parent of orphans below it, which it is as pid 1 anyway, and reaps them until ctx is done.
func (c *children) adopt(ctx context.Context) error {
	const setChildSubreaper = 36 // PR_SET_CHILD_SUBREAPER of linux/prctl.h
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		return fmt.Errorf("become the parent of orphans: %w", errno)
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		defer signal.Stop(ended)
		for {
			c.reap()
			select {
			case <-ctx.Done():
				return
			case <-ended:
			}
		}
	}()
	return nil
}
