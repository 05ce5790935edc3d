package stopped

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

func TestCleanerContract(t *testing.T) {
	t.Parallel()
	ringtest.CleanerContract(t, func(t *testing.T) (ring.Cleaner, string) {
		_, f, target := jobWorld(t, Options{}, 3)
		broken := func(pod string) bool { return strings.HasSuffix(pod, "-1-x") }
		f.Log = func(pod string, _ int) kubetest.PodLog {
			if broken(pod) {
				return kubetest.PodLog{Text: "casshook-agent: not whole"}
			}
			return kubetest.PodLog{Text: kubetest.ResultLine(pod)}
		}
		f.Pod = func(p *corev1.Pod) {
			if broken(p.Name) {
				kubetest.Ends(4, "Error", "")(p)
			}
		}
		return target, "dc1-r1-sts-1"
	})
}
