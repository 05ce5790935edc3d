package agent

import (
	"testing"

	"github.com/casshook/casshook/pkg/agent/apitest"
)

const timedOut = "Query timed out after PT30S"

// fakeAPI is the Management API of a made-up volume.
type fakeAPI struct {
	*apitest.API
	volume *volume
}

func newFakeAPI(t *testing.T, v *volume) *fakeAPI {
	t.Helper()
	return &fakeAPI{apitest.New(t, v.data, nil), v}
}
