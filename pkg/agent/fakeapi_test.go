package agent

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/sstable"
)

const timedOut = "Query timed out after PT30S"

// fakeAPI is a Management API with a call log. It loads as Cassandra's refresh
// does: it gives whole placed sets names of its own, and tears others.
type fakeAPI struct {
	mu  sync.Mutex
	log []string
	// answers, by path, come before what the fake does by itself; each is used
	// up but for the last, and nil means the fake's own.
	answers map[string][]http.HandlerFunc
	volume  *volume
	nextID  int
	// skips are tables whose files a refresh does not take.
	skips map[string]bool
	url   string
}

const (
	pathEndpoints = "/api/v0/metadata/endpoints"
	pathReady     = "/api/v0/probes/readiness"
	pathFlush     = "/api/v0/ops/tables/flush"
	pathSnapshot  = "/api/v0/ops/node/snapshots"
	pathRefresh   = "/api/v0/ops/keyspace/refresh"
)

func newFakeAPI(t *testing.T, v *volume) *fakeAPI {
	t.Helper()
	f := &fakeAPI{volume: v, answers: map[string][]http.HandlerFunc{}, skips: map[string]bool{}, nextID: 100}
	dir, err := os.MkdirTemp("", "api") // the path of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(f)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	f.url = "unix://" + socket
	return f
}

func answer(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

// calls are the calls made to a path.
func (f *fakeAPI) calls(path string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []string
	for _, line := range f.log {
		if strings.Contains(line, " "+path) {
			found = append(found, line)
		}
	}
	return found
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	f.log = append(f.log, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
	var own http.HandlerFunc
	if list := f.answers[r.URL.Path]; len(list) > 0 {
		own = list[0]
		if len(list) > 1 {
			f.answers[r.URL.Path] = list[1:]
		}
	}
	f.mu.Unlock()
	switch {
	case own != nil:
		own(w, r)
	case r.URL.Path == pathRefresh:
		f.mu.Lock()
		defer f.mu.Unlock()
		if err := f.refresh(r.URL.Query().Get("keyspaceName"), r.URL.Query().Get("table")); err != nil {
			answer(http.StatusInternalServerError, err.Error())(w, r)
		}
	}
}

func (f *fakeAPI) refresh(keyspace, table string) error {
	for _, dataDir := range f.volume.data {
		dirs, err := filepath.Glob(filepath.Join(dataDir, keyspace, table+"-*"))
		if err != nil {
			return err
		}
		for _, dir := range dirs {
			if err := f.take(dir, f.skips[table]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *fakeAPI) take(dir string, skip bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	groups := map[string][]string{}
	for _, e := range entries {
		if name, ok := placedName(e.Name()); ok && !skip {
			groups[name.Base()] = append(groups[name.Base()], name.Component)
		}
	}
	for base, components := range groups {
		f.nextID++
		fresh, err := sstable.Renamed(base, fmt.Sprint(f.nextID))
		if err != nil {
			return err
		}
		for _, c := range components {
			if err := os.Rename(filepath.Join(dir, sstable.FileOf(base, c)), filepath.Join(dir, sstable.FileOf(fresh, c))); err != nil {
				return err
			}
		}
		if !hasData(components) {
			return fmt.Errorf("FileNotFoundException: %s", sstable.FileOf(base, sstable.Data))
		}
	}
	return nil
}
