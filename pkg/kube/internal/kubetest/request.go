package kubetest

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

// parse is what a request asks for.
func parse(r *http.Request) Asked {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	a := Asked{selector: r.URL.Query().Get("labelSelector")}
	if parts[0] == "apis" {
		a.Group, parts = parts[1], parts[3:]
	} else {
		parts = parts[2:]
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		a.Namespace, parts = parts[1], parts[2:]
	}
	a.Resource, parts = parts[0], parts[1:]
	if len(parts) > 0 {
		a.Name = parts[0]
	}
	if len(parts) > 1 {
		a.Resource += "/" + parts[1]
	}
	a.Verb = map[string]string{http.MethodGet: "get", http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete"}[r.Method]
	if r.Method == http.MethodGet && a.Name == "" {
		a.Verb = "list"
	}
	return a
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
