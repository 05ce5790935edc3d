package front

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"
)

const (
	readinessPath = "/api/v0/probes/readiness"
	// closed is what the real one says when there is no Cassandra behind it.
	closed = "Internal connection to Cassandra closed"
	// askTimeout is for questions of the front's own to the agent.
	askTimeout = 10 * time.Second
)

// api answers requests: the lifecycle and liveness here, all else by the agent.
type api struct {
	life  *lifecycle
	agent *httputil.ReverseProxy
	log   *slog.Logger
}

func newAPI(options Options, log *slog.Logger) *api {
	transport := &http.Transport{
		DisableKeepAlives: true, // a connection must not outlive the Cassandra that it was made to
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", options.Layout.AgentSocket())
		},
	}
	a := &api{log: log}
	a.life = &lifecycle{
		options: options, children: &children{}, log: log,
		connects: func(ctx context.Context) bool { return ready(ctx, transport) },
	}
	a.agent = &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "agent"
			r.Out.URL.RawQuery = r.In.URL.RawQuery // as it was sent
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			log.Debug("asking the agent", "error", err)
			write(w, outcome{http.StatusInternalServerError, closed})
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return a
}

// ready asks the agent whether Cassandra is.
func ready(ctx context.Context, transport http.RoundTripper) bool {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent"+readinessPath, nil)
	if err != nil {
		return false
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return false
	}
	return response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

// handler is the whole API.
func (a *api) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v0/lifecycle/start", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		write(w, a.life.start(r.Context(), query.Get("profile"), query.Get("replace_ip")))
	})
	for pattern, answer := range map[string]func() outcome{
		"POST /api/v0/lifecycle/stop":      a.life.stop,
		"GET /api/v0/lifecycle/pid":        a.life.pid,
		"GET /api/v0/probes/liveness":      a.life.live,
		"POST /api/v0/lifecycle/configure": func() outcome { return outcome{http.StatusNotFound, ""} },
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { write(w, answer()) })
	}
	mux.HandleFunc("/", a.forward)
	return a.logged(mux)
}

func (a *api) forward(w http.ResponseWriter, r *http.Request) {
	if !a.life.current().running() {
		write(w, outcome{http.StatusInternalServerError, closed})
		return
	}
	a.agent.ServeHTTP(w, r)
}

func write(w http.ResponseWriter, o outcome) {
	if o.text != "" {
		w.Header().Set("Content-Type", "text/plain")
	}
	w.WriteHeader(o.status)
	_, _ = io.WriteString(w, o.text)
}

// logged writes a line for every request but the probes. The query stays out of it: it may hold a password.
func (a *api) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		seen := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(seen, r)
		if !strings.HasPrefix(r.URL.Path, "/api/v0/probes/") {
			a.log.Info("request", "method", r.Method, "path", r.URL.Path, "status", seen.status, "took", time.Since(begin).Round(time.Millisecond))
		}
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
