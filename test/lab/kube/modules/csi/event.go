package main

import (
	"context"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// tell writes why a claim was not provisioned, when that is news; nil forgets what was told.
func (p *provisioner) tell(ctx context.Context, claim *core.PersistentVolumeClaim, err error) {
	uid := string(claim.UID)
	if err == nil {
		delete(p.told, uid)
		return
	}
	if p.told[uid] == err.Error() || ctx.Err() != nil {
		return
	}
	p.told[uid] = err.Error()
	p.log.Warn("cannot provision", "claim", claim.Namespace+"/"+claim.Name, "error", err)
	p.event(ctx, claim, core.EventTypeWarning, "ProvisioningFailed", err.Error())
}

// event is written for people who read `kubectl describe`; one that cannot be written is only logged.
func (p *provisioner) event(ctx context.Context, claim *core.PersistentVolumeClaim, kind, reason, message string) {
	now := meta.Now()
	_, err := p.kube.CoreV1().Events(claim.Namespace).Create(ctx, &core.Event{
		ObjectMeta: meta.ObjectMeta{GenerateName: claim.Name + "."},
		InvolvedObject: core.ObjectReference{
			Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
		},
		Type: kind, Reason: reason, Message: message, Source: core.EventSource{Component: driverName},
		Count: 1, FirstTimestamp: now, LastTimestamp: now,
	}, meta.CreateOptions{})
	if err != nil {
		p.log.Warn("cannot write an event", "claim", claim.Namespace+"/"+claim.Name, "reason", reason, "error", err)
	}
}
