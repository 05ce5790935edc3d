package main

import (
	"context"
	"errors"
	"os"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// driverName is what storage classes, CSIDriver, snapshot classes and volumes call the driver.
const driverName = "csi.casshook.lab"

// driverVersion is only shown.
const driverVersion = "1"

// identity is the CSI identity service.
type identity struct {
	csi.UnimplementedIdentityServer
	pool *pool
}

// GetPluginInfo implements csi.IdentityServer.
func (*identity) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: driverName, VendorVersion: driverVersion}, nil
}

// GetPluginCapabilities implements csi.IdentityServer.
func (*identity) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	service := &csi.PluginCapability_Service{Type: csi.PluginCapability_Service_CONTROLLER_SERVICE}
	return &csi.GetPluginCapabilitiesResponse{Capabilities: []*csi.PluginCapability{
		{Type: &csi.PluginCapability_Service_{Service: service}},
	}}, nil
}

// Probe implements csi.IdentityServer: without its pool the driver is not ready.
func (i *identity) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	if _, err := os.Stat(i.pool.records(volumes)); err != nil {
		return nil, status.Errorf(codes.FailedPrecondition, "look at the pool: %v", err)
	}
	return &csi.ProbeResponse{Ready: wrapperspb.Bool(true)}, nil
}

// answer gives an error the code that the CSI specification has for it.
func answer(err error) error {
	code := codes.Internal
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		code = codes.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		code = codes.DeadlineExceeded
	case errors.Is(err, errAbsent):
		code = codes.NotFound
	case errors.Is(err, errTaken):
		code = codes.AlreadyExists
	case errors.Is(err, errBusy):
		code = codes.FailedPrecondition
	case errors.Is(err, errRange):
		code = codes.OutOfRange
	}
	return status.Error(code, err.Error())
}

// needed is InvalidArgument for the first field that is empty. Fields come as name, value, name, value.
func needed(fields ...string) error {
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i+1] == "" {
			return status.Errorf(codes.InvalidArgument, "%s is missing", fields[i])
		}
	}
	return nil
}
