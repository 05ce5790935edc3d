package kubetest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// serveObject serves an object or a list.
func (s *Server) serveObject(w http.ResponseWriter, r *http.Request, a Asked) {
	var code int
	var body any
	if a.Verb == "patch" {
		patch, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		s.mu.Lock()
		code, body = s.patch(a, r.Header.Get("Content-Type"), patch)
	} else {
		sent := decode(r)
		if a.Verb == "create" {
			a.Name = sent["metadata"].(map[string]any)["name"].(string)
		}
		s.mu.Lock()
		code, body = s.serve(a, sent)
	}
	data, err := json.Marshal(body)
	after := s.After
	s.mu.Unlock()
	if err != nil {
		panic(err)
	}
	if after != nil && code < http.StatusBadRequest {
		after(a)
	}
	answer(w, code, json.RawMessage(data))
}

// patch applies a JSON patch or a merge patch.
func (s *Server) patch(a Asked, kind string, patch []byte) (int, any) {
	old, exists := s.objects[key(a)]
	if !exists {
		return http.StatusNotFound, Status(http.StatusNotFound, metav1.StatusReasonNotFound, a.Resource+" \""+a.Name+"\" not found")
	}
	data, err := json.Marshal(old)
	if err != nil {
		panic(err)
	}
	switch kind {
	case "application/merge-patch+json":
		data, err = jsonpatch.MergePatch(data, patch)
	case "application/json-patch+json":
		var p jsonpatch.Patch
		if p, err = jsonpatch.DecodePatch(patch); err == nil {
			data, err = p.Apply(data)
		}
	default:
		err = fmt.Errorf("%q is no kind of patch", kind)
	}
	if err != nil {
		return http.StatusUnprocessableEntity, Status(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, err.Error())
	}
	o := map[string]any{}
	if err := json.Unmarshal(data, &o); err != nil {
		panic(err)
	}
	s.store(key(a), o)
	return http.StatusOK, o
}

// PodLog is an answer to who reads a log.
type PodLog struct {
	Text string
	// Cut ends the stream in the middle.
	Cut bool
	// Refuse is another answer.
	Refuse *metav1.Status
}

func (s *Server) serveLog(w http.ResponseWriter, r *http.Request, a Asked) {
	l := s.logs(a.Name, r.URL.Query().Get("follow") == "true")
	if l.Refuse != nil {
		answer(w, int(l.Refuse.Code), l.Refuse)
		return
	}
	_, _ = io.WriteString(w, l.Text)
	if l.Cut {
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}
