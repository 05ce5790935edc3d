package kube

import "context"

const (
	PauseImage   = "casshook.lab/pause:1"
	BusyboxImage = "casshook.lab/busybox:1"
	CoreDNSImage = "casshook.lab/coredns:1.14.7"
)

func (l *Lab) loadImages(ctx context.Context) error { return nil }
