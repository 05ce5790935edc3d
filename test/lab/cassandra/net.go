package cassandra

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports of a node. All nodes have the same ones, each on its own loopback address; JMX ports are on 127.0.0.1 and differ.
const (
	cqlPort     = 9042
	storagePort = 7000
	apiPort     = 8080
)

// tries bounds the search for something free; one in thousands is taken at worst.
const tries = 200

// FreeNet returns the first three bytes of a loopback network, as "127.20.7", on which nothing listens on the ports of n
// nodes. The choice is random, so two processes that look at the same time hardly find the same one.
func FreeNet(n int) (string, error) {
	for range tries {
		prefix := fmt.Sprintf("127.%d.%d", 2+rand.IntN(250), rand.IntN(256))
		if netFree(prefix, n) {
			return prefix, nil
		}
	}
	return "", errors.New("find a free loopback network: none after many tries")
}

func netFree(prefix string, n int) bool {
	for i := range n {
		for _, port := range []int{cqlPort, storagePort, apiPort} {
			if !portFree(address(prefix, i+1), port) {
				return false
			}
		}
	}
	return true
}

func address(prefix string, node int) string { return prefix + "." + strconv.Itoa(node) }

func portFree(host string, port int) bool {
	listener, err := net.Listen("tcp4", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// FreeJMXPorts returns n different ports that nothing listens on, below the range from which Linux takes the local ports of
// outgoing connections (32768 and up).
func FreeJMXPorts(n int) ([]int, error) {
	var ports []int
	seen := map[int]bool{}
	for range tries {
		if len(ports) == n {
			return ports, nil
		}
		port := 20000 + rand.IntN(12000)
		if !seen[port] && portFree("127.0.0.1", port) {
			ports = append(ports, port)
		}
		seen[port] = true
	}
	return nil, fmt.Errorf("find %d free ports for JMX: only %d after many tries", n, len(ports))
}
