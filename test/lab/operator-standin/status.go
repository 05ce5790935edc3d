package operatorstandin

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Status is the status of a CassandraDatacenter, as far as the stand-in writes it. datacenterName stays empty, as it does for
// every datacenter that was not made by an old operator.
type Status struct {
	Conditions         []Condition           `json:"conditions,omitempty"`
	Progress           string                `json:"cassandraOperatorProgress,omitempty"`
	NodeStatuses       map[string]NodeStatus `json:"nodeStatuses,omitempty"`
	FailedStarts       []string              `json:"failedStarts,omitempty"`
	SuperUserUpserted  *metav1.Time          `json:"superUserUpserted,omitempty"`
	UsersUpserted      *metav1.Time          `json:"usersUpserted,omitempty"`
	LastNodeStarted    *metav1.Time          `json:"lastServerNodeStarted,omitempty"`
	QuietPeriod        *metav1.Time          `json:"quietPeriod,omitempty"`
	ObservedGeneration int64                 `json:"observedGeneration,omitempty"`
}

// NodeStatus is what is known of the node in a pod.
type NodeStatus struct {
	HostID string `json:"hostID,omitempty"`
	IP     string `json:"ip,omitempty"`
	Rack   string `json:"rack,omitempty"`
}

// Condition has all fields but the time in every object, since the real schema demands them.
type Condition struct {
	Type               string      `json:"type"`
	Status             string      `json:"status"`
	Reason             string      `json:"reason"`
	Message            string      `json:"message"`
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitempty"`
}

// Values of cassandraOperatorProgress.
const (
	progressUpdating = "Updating"
	progressReady    = "Ready"
)

// Types of conditions.
const (
	conditionReady          = "Ready"
	conditionInitialized    = "Initialized"
	conditionReplacingNodes = "ReplacingNodes"
	conditionScalingUp      = "ScalingUp"
	conditionScalingDown    = "ScalingDown"
	conditionUpdating       = "Updating"
	conditionStopped        = "Stopped"
	conditionResuming       = "Resuming"
	conditionRolling        = "RollingRestart"
	conditionValid          = "Valid"
	conditionHealthy        = "Healthy"
)

// condition is nil when it never was set.
func (s *Status) condition(name string) *Condition {
	for i := range s.Conditions {
		if s.Conditions[i].Type == name {
			return &s.Conditions[i]
		}
	}
	return nil
}

func (s *Status) is(name string) bool {
	c := s.condition(name)
	return c != nil && c.Status == "True"
}

// set changes a condition; its time moves only with its status. It says whether anything changed.
func (s *Status) set(wanted Condition, now time.Time) bool {
	c := s.condition(wanted.Type)
	if c == nil {
		wanted.LastTransitionTime = metav1.NewTime(now)
		s.Conditions = append(s.Conditions, wanted)
		return true
	}
	wanted.LastTransitionTime = c.LastTransitionTime
	if c.Status != wanted.Status {
		wanted.LastTransitionTime = metav1.NewTime(now)
	}
	if *c == wanted {
		return false
	}
	*c = wanted
	return true
}

// condition sets a condition without reason and message.
func (r *round) condition(name string, value bool) {
	status := "False"
	if value {
		status = "True"
	}
	r.status.set(Condition{Type: name, Status: status}, r.now())
}

// saveStatus patches what differs from the status that was saved last; no difference, no call.
func (r *round) saveStatus(ctx context.Context) error {
	if r.gone {
		return nil
	}
	before, after, err := documents(r.saved, r.status)
	if err != nil {
		return fmt.Errorf("save status: %w", err)
	}
	patch, err := jsonpatch.CreateMergePatch(before, after)
	if err != nil {
		return fmt.Errorf("compare status: %w", err)
	}
	if string(patch) == "{}" {
		return nil
	}
	updated, err := r.custom.Resource(Resource()).Namespace(r.dc.Namespace).
		Patch(ctx, r.dc.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil {
		return fmt.Errorf("patch status: %w", err)
	}
	r.saved = r.status.clone()
	r.dc.ResourceVersion, r.dc.Finalizers = updated.GetResourceVersion(), updated.GetFinalizers()
	return nil
}

func documents(before, after Status) ([]byte, []byte, error) {
	type document struct {
		Status Status `json:"status"`
	}
	first, err := json.Marshal(document{before})
	if err != nil {
		return nil, nil, err
	}
	second, err := json.Marshal(document{after})
	return first, second, err
}

func (s *Status) clone() Status {
	copied := *s
	copied.Conditions = append([]Condition(nil), s.Conditions...)
	copied.FailedStarts = append([]string(nil), s.FailedStarts...)
	copied.NodeStatuses = nil
	for pod, node := range s.NodeStatuses {
		copied.know(pod, node)
	}
	return copied
}

// know records what is known of a node.
func (s *Status) know(pod string, node NodeStatus) {
	if s.NodeStatuses == nil {
		s.NodeStatuses = map[string]NodeStatus{}
	}
	s.NodeStatuses[pod] = node
}
