package main

import (
	"context"
	"log/slog"

	reg "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// registration tells kubelet where the driver is, as the usual sidecar of a driver does. kubelet asks when it sees the socket.
type registration struct {
	reg.UnimplementedRegistrationServer
	endpoint string
	log      *slog.Logger
}

// GetInfo implements reg.RegistrationServer.
func (r *registration) GetInfo(context.Context, *reg.InfoRequest) (*reg.PluginInfo, error) {
	return &reg.PluginInfo{Type: reg.CSIPlugin, Name: driverName, Endpoint: r.endpoint, SupportedVersions: []string{"1.0.0"}}, nil
}

// NotifyRegistrationStatus implements reg.RegistrationServer.
func (r *registration) NotifyRegistrationStatus(_ context.Context, s *reg.RegistrationStatus) (*reg.RegistrationStatusResponse, error) {
	if s.GetPluginRegistered() {
		r.log.Info("registered with kubelet")
	} else {
		r.log.Error("kubelet refused the registration", "error", s.GetError())
	}
	return &reg.RegistrationStatusResponse{}, nil
}
