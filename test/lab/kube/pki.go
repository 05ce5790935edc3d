package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// validity of everything signed here; the keys never leave state/etc/pki.
const validity = 10 * 365 * 24 * time.Hour

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// leaf is one certificate: its file, its subject, and the names it stands for.
type leaf struct {
	file, name, group string
	ips               []string
	dns               []string
}

// leaves are what the parts of Kubernetes show one another; the groups are those that RBAC's defaults know.
func leaves() []leaf {
	return []leaf{
		{file: "apiserver", name: "kube-apiserver", ips: []string{apiService, NodeIP, "127.0.0.1"},
			dns: []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}},
		{file: "apiserver-kubelet-client", name: "apiserver-kubelet", group: "system:masters"},
		{file: "admin", name: "admin", group: "system:masters"},
		{file: "controller-manager", name: "system:kube-controller-manager"},
		{file: "scheduler", name: "system:kube-scheduler"},
		{file: "kube-proxy", name: "system:kube-proxy", group: "system:node-proxier"},
		{file: "kubelet", name: "system:node:" + NodeName, group: "system:nodes", ips: []string{NodeIP}, dns: []string{NodeName}},
	}
}

// keys makes all keys and certificates that are not there yet, and the kubeconfigs.
func (l *Lab) keys() error {
	if err := os.MkdirAll(l.etc("pki"), 0o700); err != nil {
		return fmt.Errorf("create key directory: %w", err)
	}
	ca, err := l.authority("ca", "casshook-lab")
	if err != nil {
		return err
	}
	for _, one := range leaves() {
		if err := l.issue(ca, one); err != nil {
			return err
		}
	}
	front, err := l.authority("front-proxy-ca", "casshook-lab-front-proxy")
	if err != nil {
		return err
	}
	if err := l.issue(front, leaf{file: "front-proxy-client", name: "front-proxy-client"}); err != nil {
		return err
	}
	if err := l.serviceAccountKey(); err != nil {
		return err
	}
	for file, cert := range map[string]string{
		l.Kubeconfig(): "admin", l.etc("controller-manager.kubeconfig"): "controller-manager", l.etc("scheduler.kubeconfig"): "scheduler",
		l.etc("kube-proxy.kubeconfig"): "kube-proxy", l.etc("kubelet.kubeconfig"): "kubelet",
	} {
		if err := l.kubeconfig(file, cert); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) crt(name string) string { return l.etc("pki", name+".crt") }
func (l *Lab) key(name string) string { return l.etc("pki", name+".key") }

// authority reads a certificate authority, or makes it.
func (l *Lab) authority(file, name string) (authority, error) {
	if a, err := l.readAuthority(file); err == nil || !errors.Is(err, os.ErrNotExist) {
		return a, err
	}
	template, err := certificate(pkix.Name{CommonName: name})
	if err != nil {
		return authority{}, err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	if err := l.sign(authority{cert: template}, template, file); err != nil {
		return authority{}, err
	}
	return l.readAuthority(file)
}

func (l *Lab) readAuthority(file string) (authority, error) {
	crt, err := readPEM(l.crt(file))
	if err != nil {
		return authority{}, err
	}
	key, err := readPEM(l.key(file))
	if err != nil {
		return authority{}, err
	}
	var a authority
	if a.cert, err = x509.ParseCertificate(crt); err != nil {
		return authority{}, fmt.Errorf("%s: %w", l.crt(file), err)
	}
	if a.key, err = x509.ParseECPrivateKey(key); err != nil {
		return authority{}, fmt.Errorf("%s: %w", l.key(file), err)
	}
	return a, nil
}

// issue makes a certificate for client and server use unless it is there.
func (l *Lab) issue(by authority, one leaf) error {
	if exists(l.crt(one.file)) {
		return nil
	}
	subject := pkix.Name{CommonName: one.name}
	if one.group != "" {
		subject.Organization = []string{one.group}
	}
	template, err := certificate(subject)
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.DNSNames = one.dns
	for _, ip := range one.ips {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(ip))
	}
	return l.sign(by, template, one.file)
}

func certificate(subject pkix.Name) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("serial number: %w", err)
	}
	now := time.Now().Add(-time.Hour)
	return &x509.Certificate{SerialNumber: serial, Subject: subject, NotBefore: now, NotAfter: now.Add(validity)}, nil
}

// sign writes key and certificate; an authority without a key signs itself. The certificate comes last: where it is, the
// key is.
func (l *Lab) sign(by authority, template *x509.Certificate, file string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make key %s: %w", file, err)
	}
	signer := by.key
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, key.Public(), signer)
	if err != nil {
		return fmt.Errorf("sign %s: %w", file, err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("make key %s: %w", file, err)
	}
	if err := writePEM(l.key(file), "EC PRIVATE KEY", private); err != nil {
		return err
	}
	return writePEM(l.crt(file), "CERTIFICATE", der)
}

// serviceAccountKey signs the tokens of service accounts.
func (l *Lab) serviceAccountKey() error {
	if exists(l.etc("pki", "service-account.pub")) {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make service account key: %w", err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("make service account key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("make service account key: %w", err)
	}
	if err := writePEM(l.key("service-account"), "EC PRIVATE KEY", private); err != nil {
		return err
	}
	return writePEM(l.etc("pki", "service-account.pub"), "PUBLIC KEY", public)
}

func writePEM(path, kind string, der []byte) error {
	return put(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

func readPEM(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block; remove %s to have new keys made", path, path)
	}
	return block.Bytes, nil
}

// kubeconfig writes one that logs in with a certificate.
func (l *Lab) kubeconfig(file, cert string) error {
	encoded := map[string]string{}
	for what, path := range map[string]string{"ca": l.crt("ca"), "crt": l.crt(cert), "key": l.key(cert)} {
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("kubeconfig of %s: %w", cert, err)
		}
		encoded[what] = base64.StdEncoding.EncodeToString(text)
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: casshook-lab, cluster: {server: "%s", certificate-authority-data: %s}}]
users: [{name: %s, user: {client-certificate-data: %s, client-key-data: %s}}]
contexts: [{name: casshook-lab, context: {cluster: casshook-lab, user: %s}}]
current-context: casshook-lab
`, l.apiServer(), encoded["ca"], cert, encoded["crt"], encoded["key"], cert)
	return put(file, []byte(text), 0o600)
}
