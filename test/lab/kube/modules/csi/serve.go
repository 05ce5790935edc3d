package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// endTimeout is how long calls may take to end after the driver was told to; then they are cut.
const endTimeout = 10 * time.Second

// listen opens a socket in place of one that a killed driver left. The pool's lock has shown that none is running.
func listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	info, err := os.Lstat(path)
	if err == nil && info.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("listen on %s: it is there and no socket", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listen: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return listener, nil
}

// serve answers calls until the context ends, lets those that run end, and removes the socket. A failure of the server itself
// is an error, the end of the context is none.
func serve(ctx context.Context, listener net.Listener, log *slog.Logger, register func(grpc.ServiceRegistrar)) error {
	server := grpc.NewServer(grpc.UnaryInterceptor(logFailures(log)))
	register(server)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.Info("serving", "socket", listener.Addr().String())
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	cut := time.AfterFunc(endTimeout, server.Stop)
	defer cut.Stop()
	server.GracefulStop()
	return nil
}

// logFailures writes a line for every call that fails: the callers' own logs leave out the driver's side.
func logFailures(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		response, err := handle(ctx, request)
		if err != nil {
			log.Warn("call failed", "call", info.FullMethod, "code", status.Code(err), "error", err)
		}
		return response, err
	}
}
