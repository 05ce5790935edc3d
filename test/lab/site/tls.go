package site

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// clientTLS says that nodes speak TLS with clients.
func (d Datacenter) clientTLS() bool {
	options, _ := d.YAML["client_encryption_options"].(map[string]any)
	return options["enabled"] == true
}

// overTLS opens a local port for sessions that know no TLS, which leads to one that speaks it. stop ends what lies beneath,
// too. Whose certificate it is does not matter here: the port is a forwarded one.
func overTLS(port int, beneath func()) (local int, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		beneath()
		return 0, nil, fmt.Errorf("listen for CQL: %w", err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			plain, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { _ = secure(plain, port) }) // a session sees that its connection ended
		}
	})
	return listener.Addr().(*net.TCPAddr).Port, func() {
		_ = listener.Close()
		beneath()
		all.Wait()
	}, nil
}

// secure carries one connection until either side ends it.
func secure(plain net.Conn, port int) error {
	secured, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return errors.Join(err, plain.Close())
	}
	ended := make(chan error, 2)
	go func() { _, err := io.Copy(secured, plain); ended <- err }()
	go func() { _, err := io.Copy(plain, secured); ended <- err }()
	err = <-ended
	return errors.Join(err, plain.Close(), secured.Close(), <-ended)
}
