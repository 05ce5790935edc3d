package stopped

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/kube/cleaner"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// owners are those of the files on volumes, by claim. The API server does not know
// them: a Job that runs as another user says whom they belong to and changes nothing.
// Its context is that of cass-operator's user until then.
type owners struct {
	mu    sync.Mutex
	known map[string]wire.Owner
}

// context is whom the Job of a claim runs as.
func (o *owners) context(claim string) *corev1.PodSecurityContext {
	o.mu.Lock()
	defer o.mu.Unlock()
	if owner, ok := o.known[claim]; ok {
		return objects.OwnerContext(int64(owner.UID), int64(owner.GID))
	}
	return objects.OwnerContext(objects.OperatorUser, objects.OperatorUser)
}

// learn tells whether it is news whom a claim's files belong to.
func (o *owners) learn(claim string, owner wire.Owner) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if was, ok := o.known[claim]; ok && was == owner {
		return false
	}
	if o.known == nil {
		o.known = map[string]wire.Owner{}
	}
	o.known[claim] = owner
	return true
}

// ownerTries: a volume that only its group may enter tells its group first.
const ownerTries = 3

// run runs the node's Job, as another user where the volume says so.
func (n *node) run(ctx context.Context, c cleaner.Run) (*wire.CleanResult, error) {
	for try := 1; ; try++ {
		once := c
		once.Object = n.job.Object()
		result, err := once.Do(ctx)
		var other *cleaner.OtherUserError
		if n.owners == nil || try == ownerTries || !errors.As(err, &other) || !n.owners.learn(n.job.Claim, other.Owner) {
			return result, err
		}
		c.Tell(fmt.Sprintf("the files belong to uid %d, gid %d: starting a Job as this user", other.Owner.UID, other.Owner.GID))
		n.job.SecurityContext = n.owners.context(n.job.Claim)
	}
}
