// Package apitest is a Management API for tests: it logs its calls, answers as it is
// told, and loads SSTables as Cassandra's refresh does.
package apitest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/sstable"
)

// Paths that the agent calls, of the published OpenAPI document.
const (
	Endpoints      = "/api/v0/metadata/endpoints"
	Readiness      = "/api/v0/probes/readiness"
	Flush          = "/api/v0/ops/tables/flush"
	Snapshots      = "/api/v0/ops/node/snapshots"
	Refresh        = "/api/v0/ops/keyspace/refresh"
	SchemaVersions = "/api/v1/ops/node/schema/versions"
)

// placedFrom is the first sequence id of the names that the agent places files under.
const placedFrom = 2_000_000_001

// API is the Management API of one node.
type API struct {
	// URL is what an agent calls it by.
	URL string

	dataDirs []string
	// rest answers what nothing else does; everything is a success without.
	rest http.HandlerFunc

	mu      sync.Mutex
	log     []string
	answers map[string][]http.HandlerFunc
	skips   map[string]bool
	nextID  int
}

// New serves the API of a node with these data directories until the test ends. What
// is neither a refresh nor has an answer of its own goes to rest, which may be nil.
func New(t testing.TB, dataDirs []string, rest http.HandlerFunc) *API {
	t.Helper()
	a := &API{dataDirs: dataDirs, rest: rest, answers: map[string][]http.HandlerFunc{}, skips: map[string]bool{}, nextID: 100}
	dir, err := os.MkdirTemp("", "api") // the path of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(a)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	a.URL = "unix://" + socket
	return a
}

// Answer is an answer with a text.
func Answer(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

// Answer gives the next calls of a path answers of their own. Each is used up but for
// the last; nil is what the API does by itself.
func (a *API) Answer(path string, answers ...http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers[path] = answers
}

// Skip has a refresh leave a table's files where they are, or no longer.
func (a *API) Skip(table string, skip bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.skips[table] = skip
}

// Calls are the calls made to a path, all of them for "".
func (a *API) Calls(path string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(a.log), func(line string) bool { return !strings.Contains(line, " "+path) })
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	own := a.note(r, string(body))
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	switch {
	case own != nil:
		own(w, r)
	case r.URL.Path == Refresh:
		if err := a.Load(r.URL.Query().Get("keyspaceName"), r.URL.Query().Get("table")); err != nil {
			Answer(http.StatusInternalServerError, err.Error())(w, r)
		}
	case a.rest != nil:
		a.rest(w, r)
	}
}

// note logs a call and takes its answer, if it has one of its own.
func (a *API) note(r *http.Request, body string) http.HandlerFunc {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.log = append(a.log, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+body))
	list := a.answers[r.URL.Path]
	if len(list) == 0 {
		return nil
	}
	if len(list) > 1 {
		a.answers[r.URL.Path] = list[1:]
	}
	return list[0]
}

// Load is a refresh of a table.
func (a *API) Load(keyspace, table string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, dataDir := range a.dataDirs {
		dirs, err := filepath.Glob(filepath.Join(dataDir, keyspace, table+"-*"))
		if err != nil {
			return err
		}
		for _, dir := range dirs {
			if err := a.take(dir, a.skips[table]); err != nil {
				return err
			}
		}
	}
	return nil
}

// take gives whole placed sets of files names of their own, and tears others.
func (a *API) take(dir string, skip bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	groups := map[string][]string{}
	for _, e := range entries {
		if name, ok := sstable.ParseName(e.Name()); ok && placed(name) && !skip {
			groups[name.Base()] = append(groups[name.Base()], name.Component)
		}
	}
	for base, components := range groups {
		a.nextID++
		fresh, err := sstable.Renamed(base, fmt.Sprint(a.nextID))
		if err != nil {
			return err
		}
		for _, c := range components {
			if err := os.Rename(filepath.Join(dir, sstable.FileOf(base, c)), filepath.Join(dir, sstable.FileOf(fresh, c))); err != nil {
				return err
			}
		}
		if !slices.Contains(components, sstable.Data) {
			return fmt.Errorf("FileNotFoundException: %s", sstable.FileOf(base, sstable.Data))
		}
	}
	return nil
}

func placed(name sstable.Name) bool {
	id, err := strconv.ParseInt(name.ID, 10, 64)
	return err == nil && id >= placedFrom && id < 1<<31
}
