package stream

import (
	"os"
	"testing"

	"github.com/casshook/casshook/pkg/kube/api"
)

func TestMain(m *testing.M) {
	api.Quiet()
	os.Exit(m.Run())
}
