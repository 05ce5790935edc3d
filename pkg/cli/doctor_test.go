package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/casshook/casshook/pkg/doctor"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// answering is the kubeconfig of an API server with one answer for everything.
func answering(t *testing.T, code int, reason string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": %d, "reason": %q, "message": "so"}`, code, reason)
	}))
	t.Cleanup(s.Close)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	config := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [{"name": "c", "cluster": {"server": %q}}],
		"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {}}]}`, s.URL)
	require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	return path
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	config := answering(t, http.StatusNotFound, "NotFound")
	code, stdout, reason := run(t, "doctor", "--namespace=db", "--kubeconfig="+config)
	require.Equal(t, 3, code)
	require.Equal(t, "casshook: backups or restores of namespace db would fail: fix datacenter", reason)
	require.Contains(t, stdout, "→ install cass-operator")

	for format, decode := range map[string]func([]byte, any) error{
		"json": json.Unmarshal, "yaml": func(data []byte, into any) error { return yaml.UnmarshalStrict(data, into) },
	} {
		code, stdout, _ := run(t, "doctor", "--namespace=db", "--kubeconfig="+config, "--output="+format, "--kasten-namespace=k")
		require.Equal(t, 3, code)
		var d doctor.Diagnosis
		require.NoError(t, decode([]byte(stdout), &d), stdout)
		require.Equal(t, "k", d.KastenNamespace)
		require.Equal(t, 1, d.Errors)
		require.Equal(t, doctor.Finding{Check: "datacenter", Severity: doctor.Error, About: "Namespace db",
			What: "the CassandraDatacenter resource definition is missing in this cluster", Remedy: "install cass-operator"}, d.Findings[0])
	}
}

// TestDoctorForbidden: what is not known is no finding, and not ok either.
func TestDoctorForbidden(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]struct {
		code   int
		remedy string
	}{
		"Forbidden":    {http.StatusForbidden, "get this permission"},
		"Unauthorized": {http.StatusUnauthorized, "log in again"},
	} {
		code, stdout, last := run(t, "doctor", "--namespace=db", "--kubeconfig="+answering(t, want.code, reason), "--output=json", "--hook-timeout=5m")
		require.Equal(t, 3, code)
		require.Contains(t, last, "the datacenters of namespace db could not be checked: ")
		require.Contains(t, last, want.remedy)
		var d doctor.Diagnosis
		require.NoError(t, json.Unmarshal([]byte(stdout), &d))
		require.NotEmpty(t, d.Findings)
		for _, f := range d.Findings {
			require.Equal(t, doctor.Unknown, f.Severity, f.Check)
			require.Contains(t, f.Remedy, want.remedy, f.Check)
		}
	}
}

// TestDoctorDocs: the text tells about every check and every permission.
func TestDoctorDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/doctor.md")
	require.NoError(t, err)
	for _, check := range doctor.Checks() {
		require.Contains(t, string(text), "\n| `"+check+"` | ")
	}
	for _, r := range objects.DoctorRules() {
		resource := strings.TrimSuffix(r.Resource+"."+r.APIGroup, ".")
		where := map[objects.Scope]string{objects.InNamespace: "the namespace", objects.InKasten: "Kasten's namespace", objects.InCluster: "the cluster"}[r.Scope]
		require.Contains(t, string(text), fmt.Sprintf("\n| %s | `%s` | %s | %s |\n", where, resource, strings.Join(r.Verbs, ", "), r.Why))
	}
}

func TestDoctorUsage(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"no namespace selected":         {},
		"doctor is for Kubernetes":      {"--inventory=x"},
		"--service-account \"\" is not": {"--namespace=db", "--service-account="},
		"must be a duration from 1ms":   {"--namespace=db", "--hook-timeout=0s"},
		"kubeconfig":                    {"--namespace=db", "--kubeconfig=/nowhere/at/all"},
		"unknown command \"x\"":         {"x"},
	} {
		code, _, reason := run(t, append([]string{"doctor"}, args...)...)
		require.Equal(t, 2, code, reason)
		require.Contains(t, reason, want)
	}
}
