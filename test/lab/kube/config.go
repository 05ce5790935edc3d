package kube

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

//go:embed config/*
var configs embed.FS

// values are what the files in config/ refer to.
func (l *Lab) values() map[string]string {
	return map[string]string{
		"NodeName": NodeName, "NodeIP": NodeIP, "PodCIDR": podCIDR, "DNS": dnsService, "Bridge": bridge, "Cgroup": cgroup,
		"Etc": l.etc(), "PKI": l.etc("pki"), "Containerd": l.containerd(), "ContainerdData": l.data("containerd"),
		"ContainerdState": filepath.Dir(l.containerd()), "IPAM": l.data("cni", "networks"), "Pause": PauseImage,
		"CSIDriver": csiDriver, "StorageClass": StorageClass, "SnapshotClass": SnapshotClass, "CoreDNS": CoreDNSImage, "Root": l.Root,
	}
}

// configure writes all configuration files.
func (l *Lab) configure() error {
	for _, dir := range []string{l.etc("cni"), l.run(), l.path("state/log", nil), l.kubeletDir(), l.data("etcd"), filepath.Dir(l.pool())} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("create state directory: %w", err)
		}
	}
	for name, target := range map[string]string{
		"containerd.toml": l.etc("containerd.toml"), "cni.json": l.etc("cni", "10-casshook-lab.conflist"), "kubelet.yaml": l.etc("kubelet.yaml"),
		"kube-proxy.yaml": l.etc("kube-proxy.yaml"), "resolv.conf": l.etc("resolv.conf"),
	} {
		text, err := l.render(configs, "config/"+name)
		if err != nil {
			return err
		}
		if err := put(target, text, 0o644); err != nil {
			return err
		}
	}
	return l.keys()
}

func (l *Lab) render(from embed.FS, name string) ([]byte, error) {
	t, err := template.New(filepath.Base(name)).Option("missingkey=error").ParseFS(from, name)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, l.values()); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	return out.Bytes(), nil
}
