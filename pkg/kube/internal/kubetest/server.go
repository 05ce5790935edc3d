package kubetest

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

	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// Server is an API server that keeps objects in memory, as far as this package
// needs one: get, list by label, create, update with a resourceVersion, delete
// with preconditions, exec and port-forward over SPDY. It notes what is asked.
type Server struct {
	T    *testing.T
	HTTP *httptest.Server

	mu      sync.Mutex
	objects map[string]map[string]any
	version int
	asked   []string
	// Seen is what asked is made of.
	Seen []Asked
	// RulesOf are other permissions than Rules, which the test checks itself.
	RulesOf func([]Asked)
	// Denied are rules that access reviews say no to.
	Denied map[string]bool
	// Absent are resources that the server does not know.
	Absent map[string]bool
	// Refuse answers a request by itself, if it returns a status.
	Refuse func(r Asked) *metav1.Status
	// After is called once something was done, before the answer.
	After func(a Asked)
	// logs is what the log of a pod has.
	logs func(pod string, follow bool) PodLog
	// Process is what an exec runs.
	Process func(p Process) int
	// Listener is what a port-forward reaches; an error is said on the error stream.
	Listener func(port string, stream io.ReadWriteCloser) error
}

// Asked is one request.
type Asked struct {
	Verb, Group, Resource, Namespace, Name string
	selector                               string
}

// Rule is the request as RBAC sees it.
func (a Asked) Rule() string { return a.Verb + " " + a.Group + "/" + a.Resource }

func newServer(t *testing.T) *Server {
	t.Helper()
	s := &Server{T: t, objects: map[string]map[string]any{}, Absent: map[string]bool{}}
	s.HTTP = httptest.NewServer(s)
	t.Cleanup(s.HTTP.Close)
	t.Cleanup(s.checkRules)
	return s
}

// checkRules fails a test in which something was asked that Rules does not list.
func (s *Server) checkRules() {
	if s.RulesOf != nil {
		s.RulesOf(s.Seen)
		return
	}
	allowed := map[string]bool{"get /namespaces": true} // for people: a refusal says no less than no answer
	for _, r := range objects.Rules() {
		for _, verb := range r.Verbs {
			allowed[verb+" "+r.APIGroup+"/"+r.Resource] = true
		}
	}
	for _, rule := range s.Requests() {
		if !allowed[rule] {
			s.T.Errorf("%s was asked, but is not in Rules", rule)
		}
	}
}

// Requests are all that were asked, as RBAC sees them.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// Connect connects as people do, by a kubeconfig.
func (s *Server) Connect(opts api.Options) *api.Client {
	s.T.Helper()
	config := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"lab",
		"clusters":[{"name":"lab","cluster":{"server":%q}}],
		"contexts":[{"name":"lab","context":{"cluster":"lab","user":"me","namespace":"db"}}],
		"users":[{"name":"me","user":{"token":"t0ken"}}]}`, s.HTTP.URL)
	path := filepath.Join(s.T.TempDir(), "kubeconfig")
	require.NoError(s.T, os.WriteFile(path, []byte(config), 0o600))
	opts.Kubeconfig = path
	c, err := api.Connect(opts)
	require.NoError(s.T, err)
	c.Clock = NewClock()
	return c
}

func key(a Asked) string {
	return strings.Join([]string{a.Group, a.Resource, a.Namespace, a.Name}, "|")
}

// Put stores an object of any type.
func (s *Server) Put(group, resource string, object any) {
	s.T.Helper()
	data, err := json.Marshal(object)
	require.NoError(s.T, err)
	var o map[string]any
	require.NoError(s.T, json.Unmarshal(data, &o))
	s.mu.Lock()
	defer s.mu.Unlock()
	meta := o["metadata"].(map[string]any)
	namespace, _ := meta["namespace"].(string) // none in the cluster's scope
	s.store(key(Asked{Group: group, Resource: resource, Namespace: namespace, Name: meta["name"].(string)}), o)
}

func (s *Server) store(k string, o map[string]any) {
	s.version++
	meta := o["metadata"].(map[string]any)
	meta["resourceVersion"] = strconv.Itoa(s.version)
	if meta["uid"] == nil {
		meta["uid"] = fmt.Sprintf("uid-%d", s.version)
	}
	s.objects[k] = o
}

// Edit changes an object in place.
func (s *Server) Edit(group, resource, name string, change func(o map[string]any)) {
	s.T.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key(Asked{Group: group, Resource: resource, Namespace: "db", Name: name})
	require.Contains(s.T, s.objects, k)
	change(s.objects[k])
	s.store(k, s.objects[k])
}

// Remove deletes an object, if it is there.
func (s *Server) Remove(group, resource, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key(Asked{Group: group, Resource: resource, Namespace: "db", Name: name}))
}

// Read decodes an object, and tells whether it is there.
func (s *Server) Read(group, resource, name string, into any) bool {
	s.T.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[key(Asked{Group: group, Resource: resource, Namespace: "db", Name: name})]
	if ok && into != nil {
		data, err := json.Marshal(o)
		require.NoError(s.T, err)
		require.NoError(s.T, json.Unmarshal(data, into))
	}
	return ok
}

// List is the names of the objects of a resource.
func (s *Server) List(group, resource string) []map[string]any {
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

// Status is an error as an API server answers it.
func Status(code int, reason metav1.StatusReason, message string) *metav1.Status {
	return &metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status: metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message}
}

// Forbid refuses one kind of request.
func Forbid(rule string) func(Asked) *metav1.Status {
	return func(a Asked) *metav1.Status {
		if a.Rule() != rule {
			return nil
		}
		return Status(http.StatusForbidden, metav1.StatusReasonForbidden, "User \"hook\" cannot do that")
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := parse(r)
	s.mu.Lock()
	s.asked, s.Seen = append(s.asked, a.Rule()), append(s.Seen, a)
	refuse, absent := s.Refuse, s.Absent[a.Resource]
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
	case a.Resource == "pods/exec":
		s.serveExec(w, r, a)
	case a.Resource == "pods/portforward":
		s.serveForward(w, r)
	case a.Resource == "localsubjectaccessreviews":
		review := decode(r)
		f := objects.Fields(review)
		rule := f.Text("spec", "resourceAttributes", "verb") + " " + f.Text("spec", "resourceAttributes", "resource")
		if sub := f.Text("spec", "resourceAttributes", "subresource"); sub != "" {
			rule += "/" + sub
		}
		review["status"] = map[string]any{"allowed": !s.Denied[rule]}
		answer(w, http.StatusCreated, review)
	case a.Resource == "pods/log":
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

func (s *Server) serve(a Asked, body map[string]any) (int, any) {
	old, exists := s.objects[key(a)]
	switch {
	case a.Verb == "list":
		return http.StatusOK, s.selected(a)
	case a.Verb == "create" && exists:
		return http.StatusConflict, Status(http.StatusConflict, metav1.StatusReasonAlreadyExists, a.Name+" already exists")
	case a.Verb != "create" && !exists:
		return http.StatusNotFound, Status(http.StatusNotFound, metav1.StatusReasonNotFound, a.Resource+" \""+a.Name+"\" not found")
	case a.Verb == "update" && stale(old, body["metadata"]), a.Verb == "delete" && (stale(old, body["preconditions"]) || another(old, body["preconditions"])):
		return http.StatusConflict, Status(http.StatusConflict, metav1.StatusReasonConflict, "the object has been modified")
	case a.Verb == "delete":
		delete(s.objects, key(a))
		return http.StatusOK, metav1.Status{Status: metav1.StatusSuccess}
	case a.Verb == "get":
		return http.StatusOK, old
	}
	if exists {
		body["metadata"].(map[string]any)["uid"] = old["metadata"].(map[string]any)["uid"]
	}
	s.store(key(a), body)
	return http.StatusOK, body
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

func (s *Server) selected(a Asked) map[string]any {
	sel, err := labels.Parse(a.selector)
	if err != nil {
		panic(err)
	}
	items := []any{}
	prefix := key(Asked{Group: a.Group, Resource: a.Resource, Namespace: a.Namespace})
	if a.Namespace == "" { // all of them
		prefix = a.Group + "|" + a.Resource + "|"
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
	}[a.Resource]
	if kind[1] == "" { // for dynamic clients any does
		kind = [2]string{"v1", a.Resource + "List"}
	}
	return map[string]any{"kind": kind[1], "apiVersion": kind[0], "metadata": map[string]any{}, "items": items}
}
