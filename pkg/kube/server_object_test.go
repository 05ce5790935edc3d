package kube

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// serveObject serves an object or a list.
func (s *server) serveObject(w http.ResponseWriter, r *http.Request, a asked) {
	var code int
	var body any
	if a.verb == "patch" {
		patch, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		s.mu.Lock()
		code, body = s.patch(a, r.Header.Get("Content-Type"), patch)
	} else {
		sent := decode(r)
		if a.verb == "create" {
			a.name = sent["metadata"].(map[string]any)["name"].(string)
		}
		s.mu.Lock()
		code, body = s.serve(a, sent)
	}
	data, err := json.Marshal(body)
	after := s.after
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
func (s *server) patch(a asked, kind string, patch []byte) (int, any) {
	old, exists := s.objects[key(a)]
	if !exists {
		return http.StatusNotFound, status(http.StatusNotFound, metav1.StatusReasonNotFound, a.resource+" \""+a.name+"\" not found")
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
		return http.StatusUnprocessableEntity, status(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, err.Error())
	}
	o := map[string]any{}
	if err := json.Unmarshal(data, &o); err != nil {
		panic(err)
	}
	s.store(key(a), o)
	return http.StatusOK, o
}

// podLog is an answer to who reads a log.
type podLog struct {
	text string
	// cut ends the stream in the middle.
	cut bool
	// refuse is another answer.
	refuse *metav1.Status
}

func (s *server) serveLog(w http.ResponseWriter, r *http.Request, a asked) {
	l := s.logs(a.name, r.URL.Query().Get("follow") == "true")
	if l.refuse != nil {
		answer(w, int(l.refuse.Code), l.refuse)
		return
	}
	_, _ = io.WriteString(w, l.text)
	if l.cut {
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}
