package kube

// etcd keeps its data over a stop; it does not wait for the disk, since a machine that dies takes the whole lab along.
func (l *Lab) etcd() unit {
	return unit{name: "etcd", argv: []string{
		l.Program("etcd"), "--name=lab", "--data-dir=" + l.data("etcd"), "--log-level=warn", "--unsafe-no-fsync",
		"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380", "--initial-cluster=lab=http://127.0.0.1:2380",
	}}
}

func (l *Lab) containerRuntime() unit {
	return unit{name: "containerd", argv: []string{"containerd", "--config", l.etc("containerd.toml")}}
}

func (l *Lab) apiserver() unit {
	return unit{name: "kube-apiserver", argv: []string{
		l.Program("kube-apiserver"), "--etcd-servers=http://127.0.0.1:2379", "--bind-address=" + NodeIP, "--advertise-address=" + NodeIP, "--secure-port=6443",
		"--service-cluster-ip-range=" + serviceCIDR, "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
		"--client-ca-file=" + l.crt("ca"), "--tls-cert-file=" + l.crt("apiserver"), "--tls-private-key-file=" + l.key("apiserver"),
		"--kubelet-client-certificate=" + l.crt("apiserver-kubelet-client"), "--kubelet-client-key=" + l.key("apiserver-kubelet-client"),
		"--kubelet-certificate-authority=" + l.crt("ca"), "--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + l.etc("pki", "service-account.pub"), "--service-account-signing-key-file=" + l.key("service-account"),
		"--requestheader-client-ca-file=" + l.crt("front-proxy-ca"), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group", "--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + l.crt("front-proxy-client"), "--proxy-client-key-file=" + l.key("front-proxy-client"), "--enable-aggregator-routing=true",
	}}
}

// controllers are what needs the API server.
func (l *Lab) controllers() []unit {
	manager, scheduler := l.etc("controller-manager.kubeconfig"), l.etc("scheduler.kubeconfig")
	return []unit{
		{name: "kube-controller-manager", argv: []string{
			l.Program("kube-controller-manager"), "--kubeconfig=" + manager, "--authentication-kubeconfig=" + manager, "--authorization-kubeconfig=" + manager,
			"--bind-address=127.0.0.1", "--leader-elect=false", "--use-service-account-credentials=true", "--root-ca-file=" + l.crt("ca"),
			"--service-account-private-key-file=" + l.key("service-account"), "--cluster-signing-cert-file=" + l.crt("ca"),
			"--cluster-signing-key-file=" + l.key("ca"), "--client-ca-file=" + l.crt("ca"), "--requestheader-client-ca-file=" + l.crt("front-proxy-ca"),
			"--allocate-node-cidrs=false", "--service-cluster-ip-range=" + serviceCIDR,
		}},
		{name: "kube-scheduler", argv: []string{
			l.Program("kube-scheduler"), "--kubeconfig=" + scheduler, "--authentication-kubeconfig=" + scheduler, "--authorization-kubeconfig=" + scheduler,
			"--bind-address=127.0.0.1", "--leader-elect=false",
		}},
		{name: "kubelet", argv: []string{
			l.Program("kubelet"), "--config=" + l.etc("kubelet.yaml"), "--kubeconfig=" + l.etc("kubelet.kubeconfig"), "--root-dir=" + l.kubeletDir(),
			"--hostname-override=" + NodeName, "--node-ip=" + NodeIP,
		}},
		{name: "kube-proxy", argv: []string{l.Program("kube-proxy"), "--config=" + l.etc("kube-proxy.yaml")}},
	}
}

func (l *Lab) csi() unit {
	return unit{name: "csi-driver", argv: []string{
		l.Program("csi"), "--pool", l.pool(), "--node", NodeName, "--kubelet-dir", l.kubeletDir(), "--kubeconfig", l.Kubeconfig(),
	}}
}

// snapshots are the published snapshot controller and the sidecar of the CSI driver.
func (l *Lab) snapshots() []unit {
	return []unit{
		{name: "snapshot-controller", argv: []string{l.Program("snapshot-controller"), "--kubeconfig", l.Kubeconfig(), "--leader-election=false", "--http-endpoint=127.0.0.1:9301"}},
		{name: "csi-snapshotter", argv: []string{
			l.Program("csi-snapshotter"), "--kubeconfig", l.Kubeconfig(), "--csi-address", l.csiSocket(), "--leader-election=false",
			"--extra-create-metadata", "--http-endpoint=127.0.0.1:9302",
		}},
	}
}

// operator is the stand-in for cass-operator; $CASSHOOK_LAB_OPERATOR holds more flags for it.
func (l *Lab) operator() unit {
	return unit{name: "operator-standin", argv: []string{l.Program("operator-standin"), "--kubeconfig", l.Kubeconfig(), "--waits", "fast"}}
}
