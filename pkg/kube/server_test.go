package kube

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

// server is an API server that keeps objects in memory, as far as this package
// needs one: get, list by label, create, update with a resourceVersion, delete
// with preconditions, exec and port-forward over SPDY. It notes what is asked.
type server struct {
	t    *testing.T
	http *httptest.Server

	mu      sync.Mutex
	objects map[string]map[string]any
	version int
	asked   []string
	// seen is what asked is made of.
	seen []asked
	// rulesOf are other permissions than Rules, which the test checks itself.
	rulesOf func([]asked)
	// denied are rules that access reviews say no to.
	denied map[string]bool
	// absent are resources that the server does not know.
	absent map[string]bool
	// refuse answers a request by itself, if it returns a status.
	refuse func(r asked) *metav1.Status
	// after is called once something was done, before the answer.
	after func(a asked)
	// logs is what the log of a pod has.
	logs func(pod string, follow bool) podLog
	// process is what an exec runs.
	process func(p process) int
	// listener is what a port-forward reaches; an error is said on the error stream.
	listener func(port string, stream io.ReadWriteCloser) error
}

// asked is one request.
type asked struct {
	verb, group, resource, namespace, name string
	selector                               string
}

// rule is the request as RBAC sees it.
func (a asked) rule() string { return a.verb + " " + a.group + "/" + a.resource }

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, objects: map[string]map[string]any{}, absent: map[string]bool{}}
	s.http = httptest.NewServer(s)
	t.Cleanup(s.http.Close)
	t.Cleanup(s.checkRules)
	return s
}

// checkRules fails a test in which something was asked that Rules does not list.
func (s *server) checkRules() {
	if s.rulesOf != nil {
		s.rulesOf(s.seen)
		return
	}
	allowed := map[string]bool{}
	for _, r := range Rules() {
		for _, verb := range r.Verbs {
			allowed[verb+" "+r.APIGroup+"/"+r.Resource] = true
		}
	}
	for _, rule := range s.requests() {
		if !allowed[rule] {
			s.t.Errorf("%s was asked, but is not in Rules", rule)
		}
	}
}

func (s *server) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// client connects as people do, by a kubeconfig.
func (s *server) client(opts connectOptions) *apiClient {
	s.t.Helper()
	config := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"lab",
		"clusters":[{"name":"lab","cluster":{"server":%q}}],
		"contexts":[{"name":"lab","context":{"cluster":"lab","user":"me","namespace":"db"}}],
		"users":[{"name":"me","user":{"token":"t0ken"}}]}`, s.http.URL)
	path := filepath.Join(s.t.TempDir(), "kubeconfig")
	require.NoError(s.t, os.WriteFile(path, []byte(config), 0o600))
	opts.Kubeconfig = path
	c, err := connect(opts)
	require.NoError(s.t, err)
	c.clock = newFakeClock()
	return c
}

func key(a asked) string {
	return strings.Join([]string{a.group, a.resource, a.namespace, a.name}, "|")
}

// put stores an object of any type.
func (s *server) put(group, resource string, object any) {
	s.t.Helper()
	data, err := json.Marshal(object)
	require.NoError(s.t, err)
	var o map[string]any
	require.NoError(s.t, json.Unmarshal(data, &o))
	s.mu.Lock()
	defer s.mu.Unlock()
	meta := o["metadata"].(map[string]any)
	namespace, _ := meta["namespace"].(string) // none in the cluster's scope
	s.store(key(asked{group: group, resource: resource, namespace: namespace, name: meta["name"].(string)}), o)
}

func (s *server) store(k string, o map[string]any) {
	s.version++
	meta := o["metadata"].(map[string]any)
	meta["resourceVersion"] = strconv.Itoa(s.version)
	if meta["uid"] == nil {
		meta["uid"] = fmt.Sprintf("uid-%d", s.version)
	}
	s.objects[k] = o
}

// edit changes an object in place.
func (s *server) edit(group, resource, name string, change func(o map[string]any)) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key(asked{group: group, resource: resource, namespace: "db", name: name})
	require.Contains(s.t, s.objects, k)
	change(s.objects[k])
	s.store(k, s.objects[k])
}

func (s *server) remove(group, resource, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key(asked{group: group, resource: resource, namespace: "db", name: name}))
}

// read decodes an object, and tells whether it is there.
func (s *server) read(group, resource, name string, into any) bool {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[key(asked{group: group, resource: resource, namespace: "db", name: name})]
	if ok && into != nil {
		data, err := json.Marshal(o)
		require.NoError(s.t, err)
		require.NoError(s.t, json.Unmarshal(data, into))
	}
	return ok
}

// list is the names of the objects of a resource.
func (s *server) list(group, resource string) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []map[string]any
	for _, k := range slices.Sorted(maps.Keys(s.objects)) {
		if strings.HasPrefix(k, group+"|"+resource+"|") {
			found = append(found, s.objects[k])
		}
	}
	return found
}

func status(code int, reason metav1.StatusReason, message string) *metav1.Status {
	return &metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status: metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message}
}

func forbid(rule string) func(asked) *metav1.Status {
	return func(a asked) *metav1.Status {
		if a.rule() != rule {
			return nil
		}
		return status(http.StatusForbidden, metav1.StatusReasonForbidden, "User \"hook\" cannot do that")
	}
}

func parse(r *http.Request) asked {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	a := asked{selector: r.URL.Query().Get("labelSelector")}
	if parts[0] == "apis" {
		a.group, parts = parts[1], parts[3:]
	} else {
		parts = parts[2:]
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		a.namespace, parts = parts[1], parts[2:]
	}
	a.resource, parts = parts[0], parts[1:]
	if len(parts) > 0 {
		a.name = parts[0]
	}
	if len(parts) > 1 {
		a.resource += "/" + parts[1]
	}
	a.verb = map[string]string{http.MethodGet: "get", http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete"}[r.Method]
	if r.Method == http.MethodGet && a.name == "" {
		a.verb = "list"
	}
	return a
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := parse(r)
	s.mu.Lock()
	s.asked, s.seen = append(s.asked, a.rule()), append(s.seen, a)
	refuse, absent := s.refuse, s.absent[a.resource]
	s.mu.Unlock()
	if refuse != nil {
		if st := refuse(a); st != nil {
			answer(w, int(st.Code), st)
			return
		}
	}
	switch {
	case absent:
		http.NotFound(w, r) // as the real one: no JSON
	case a.resource == "pods/exec":
		s.serveExec(w, r, a)
	case a.resource == "pods/portforward":
		s.serveForward(w, r)
	case a.resource == "localsubjectaccessreviews":
		review := decode(r)
		f := fields(review)
		rule := f.text("spec", "resourceAttributes", "verb") + " " + f.text("spec", "resourceAttributes", "resource")
		if sub := f.text("spec", "resourceAttributes", "subresource"); sub != "" {
			rule += "/" + sub
		}
		review["status"] = map[string]any{"allowed": !s.denied[rule]}
		answer(w, http.StatusCreated, review)
	case a.resource == "pods/log":
		s.serveLog(w, r, a)
	default:
		s.serveObject(w, r, a)
	}
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func (s *server) serve(a asked, body map[string]any) (int, any) {
	old, exists := s.objects[key(a)]
	switch {
	case a.verb == "list":
		return http.StatusOK, s.selected(a)
	case a.verb == "create" && exists:
		return http.StatusConflict, status(http.StatusConflict, metav1.StatusReasonAlreadyExists, a.name+" already exists")
	case a.verb != "create" && !exists:
		return http.StatusNotFound, status(http.StatusNotFound, metav1.StatusReasonNotFound, a.resource+" \""+a.name+"\" not found")
	case a.verb == "update" && stale(old, body["metadata"]), a.verb == "delete" && (stale(old, body["preconditions"]) || another(old, body["preconditions"])):
		return http.StatusConflict, status(http.StatusConflict, metav1.StatusReasonConflict, "the object has been modified")
	case a.verb == "delete":
		delete(s.objects, key(a))
		return http.StatusOK, metav1.Status{Status: metav1.StatusSuccess}
	case a.verb == "get":
		return http.StatusOK, old
	}
	if exists {
		body["metadata"].(map[string]any)["uid"] = old["metadata"].(map[string]any)["uid"]
	}
	s.store(key(a), body)
	return http.StatusOK, body
}

// decode reads an object, which typed clients send as protobuf.
func decode(r *http.Request) map[string]any {
	data, err := io.ReadAll(r.Body)
	if err != nil || len(data) == 0 {
		return nil
	}
	if data[0] == '{' { // of dynamic clients, which send kinds that no scheme has
		body := map[string]any{}
		if err := json.Unmarshal(data, &body); err != nil {
			panic(err)
		}
		return body
	}
	o, _, err := scheme.Codecs.UniversalDeserializer().Decode(data, nil, nil)
	if err != nil {
		panic(err)
	}
	body, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		panic(err)
	}
	return body
}

// stale tells whether the versions of an object and of what is sent differ.
func stale(old map[string]any, sent any) bool {
	meta, _ := sent.(map[string]any)
	want, _ := meta["resourceVersion"].(string)
	return want != "" && want != old["metadata"].(map[string]any)["resourceVersion"]
}

// another tells whether an object is not the one that is to be deleted.
func another(old map[string]any, sent any) bool {
	preconditions, _ := sent.(map[string]any)
	want, _ := preconditions["uid"].(string)
	return want != "" && want != old["metadata"].(map[string]any)["uid"]
}

func (s *server) selected(a asked) map[string]any {
	sel, err := labels.Parse(a.selector)
	if err != nil {
		panic(err)
	}
	items := []any{}
	prefix := key(asked{group: a.group, resource: a.resource, namespace: a.namespace})
	if a.namespace == "" { // all of them
		prefix = a.group + "|" + a.resource + "|"
	}
	for _, k := range slices.Sorted(maps.Keys(s.objects)) {
		meta := s.objects[k]["metadata"].(map[string]any)
		set := labels.Set{}
		if ls, ok := meta["labels"].(map[string]any); ok {
			for name, value := range ls {
				set[name] = value.(string)
			}
		}
		if strings.HasPrefix(k, prefix) && sel.Matches(set) {
			items = append(items, s.objects[k])
		}
	}
	kind := map[string][2]string{
		"pods": {"v1", "PodList"}, "persistentvolumeclaims": {"v1", "PersistentVolumeClaimList"}, "statefulsets": {"apps/v1", "StatefulSetList"},
		"cassandradatacenters": {"cassandra.datastax.com/v1beta1", "CassandraDatacenterList"}, "volumesnapshots": {"snapshot.storage.k8s.io/v1", "VolumeSnapshotList"},
	}[a.resource]
	if kind[1] == "" { // for dynamic clients any does
		kind = [2]string{"v1", a.resource + "List"}
	}
	return map[string]any{"kind": kind[1], "apiVersion": kind[0], "metadata": map[string]any{}, "items": items}
}
