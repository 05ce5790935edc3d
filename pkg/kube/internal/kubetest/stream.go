package kubetest

import (
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/util/httpstream/spdy"
)

// Process is what an exec asks for.
type Process struct {
	Pod, Container string
	Argv           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Cut closes the connection under the process.
	Cut func()
}

// Run runs a program of this machine; stdin is not waited for.
func (p Process) Run(argv ...string) int {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = p.Stdout, p.Stderr
	if p.Stdin != nil {
		pipe, err := cmd.StdinPipe()
		if err != nil {
			panic(err)
		}
		go func() {
			_, _ = io.Copy(pipe, p.Stdin)
			pipe.Close()
		}()
	}
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode()
}

// spdyOnly sends clients that try WebSocket first to SPDY.
func spdyOnly(w http.ResponseWriter, r *http.Request, protocol string) bool {
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		http.Error(w, "no websockets here", http.StatusBadRequest)
		return false
	}
	_, err := httpstream.Handshake(r, w, []string{protocol})
	return err == nil
}

// accept collects streams by their type until there are want of them.
func accept(w http.ResponseWriter, r *http.Request, want int) (httpstream.Connection, map[string]httpstream.Stream) {
	streams := make(chan httpstream.Stream, want)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		streams <- s
		return nil
	})
	found := map[string]httpstream.Stream{}
	for conn != nil && len(found) < want {
		select {
		case s := <-streams:
			found[s.Headers().Get("streamType")] = s
		case <-conn.CloseChan():
			return conn, nil
		}
	}
	return conn, found
}

func (s *Server) serveExec(w http.ResponseWriter, r *http.Request, a Asked) {
	if !spdyOnly(w, r, "v4.channel.k8s.io") {
		return
	}
	q := r.URL.Query()
	want := 1
	for _, stream := range []string{"stdin", "stdout", "stderr"} {
		if q.Get(stream) == "true" {
			want++
		}
	}
	conn, streams := accept(w, r, want)
	if streams == nil {
		return
	}
	defer conn.Close()
	p := Process{Pod: a.Name, Container: q.Get("container"), Argv: q["command"], Stdin: streams["stdin"], Stdout: streams["stdout"], Stderr: streams["stderr"]}
	var once sync.Once
	p.Cut = func() { once.Do(func() { conn.Close() }) }
	code := s.Process(p)
	st := metav1.Status{Status: metav1.StatusSuccess}
	if code != 0 {
		st = metav1.Status{Status: metav1.StatusFailure, Reason: "NonZeroExitCode", Details: &metav1.StatusDetails{
			Causes: []metav1.StatusCause{{Type: "ExitCode", Message: strconv.Itoa(code)}}}}
	}
	_ = json.NewEncoder(streams["error"]).Encode(st)
	for _, stream := range streams {
		_ = stream.Close()
	}
	select { // the client closes when it has read all
	case <-conn.CloseChan():
	case <-time.After(5 * time.Second):
	}
}

func (s *Server) serveForward(w http.ResponseWriter, r *http.Request) {
	if !spdyOnly(w, r, "portforward.k8s.io") {
		return
	}
	conn, streams := accept(w, r, 2)
	if streams == nil {
		return
	}
	defer conn.Close()
	data := streams["data"]
	if err := s.Listener(data.Headers().Get("port"), data); err != nil {
		_, _ = io.WriteString(streams["error"], err.Error())
	}
	_ = streams["error"].Close()
	_ = data.Close()
	select {
	case <-conn.CloseChan():
	case <-time.After(5 * time.Second):
	}
}
