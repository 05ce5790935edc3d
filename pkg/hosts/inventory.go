// Package hosts reaches Cassandra outside Kubernetes: the nodes of an inventory
// file, as local processes or through a command prefix such as ssh.
package hosts

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/configfile"
	"github.com/casshook/casshook/pkg/ring"
)

// APIVersion and Kind head every inventory file.
const (
	APIVersion = "casshook.io/v1"
	Kind       = "Inventory"
)

// Inventory is the file that describes a ring of hosts. It is decoded strictly:
// an unknown field is an error.
type Inventory struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Cluster is the cluster's name, compared with what the ring says.
	Cluster string `json:"cluster"`
	// Credentials of a superuser, by file; left out where the ring asks none.
	Credentials *CredentialFiles `json:"credentials,omitempty"`
	// CQLPlaintext allows passwords to cross the network in clear: there is no TLS yet.
	CQLPlaintext bool   `json:"cqlPlaintext,omitempty"`
	Nodes        []Host `json:"nodes"`
}

// CredentialFiles name files that hold one line each.
type CredentialFiles struct {
	UsernameFile string `json:"usernameFile"`
	PasswordFile string `json:"passwordFile"`
}

// Host is one node.
type Host struct {
	Name string `json:"name"`
	// Address is the node's address in the ring; CQL is spoken there.
	Address string `json:"address"`
	// CQLPort is 9042 when left out.
	CQLPort int `json:"cqlPort,omitempty"`
	// Volume is the root of the volume that holds the data directories; the
	// documents go to <volume>/casshook.
	Volume          string   `json:"volume"`
	DataDirectories []string `json:"dataDirectories"`
	// VolumeID is what the storage calls the volume, where the id file cannot
	// tell a copy from the original; see the documentation.
	VolumeID string `json:"volumeID,omitempty"`
	// ManagementAPI is unix:///path or http://host:port, as seen from the node.
	ManagementAPI string `json:"managementAPI,omitempty"`
	// Nodetool is the command with its leading arguments, used without a
	// Management API.
	Nodetool []string `json:"nodetool,omitempty"`
	// Prefix comes before every command, for example [ssh, -oBatchMode=yes, db1].
	Prefix []string `json:"prefix,omitempty"`
	// Agent is the path of casshook-agent at the node; when left out, and
	// without a prefix, the one beside the running casshook.
	Agent string `json:"agent,omitempty"`
}

// defaultCQLPort is Cassandra's native_transport_port.
const defaultCQLPort = 9042

// plainWord is what may stand in a command that a prefix such as ssh hands to a
// remote shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// Load reads an inventory file, checks it and returns the target.
func Load(path string) (*Target, error) {
	content, err := readTrusted(path, unchanged)
	if err != nil {
		return nil, fmt.Errorf("inventory: %w", err)
	}
	var inv Inventory
	if err := configfile.Decode(content, &inv); err != nil {
		return nil, fmt.Errorf("inventory %s: %w", path, err)
	}
	if err := inv.validate(); err != nil {
		return nil, fmt.Errorf("inventory %s: %w", path, err)
	}
	return newTarget(inv)
}

// validate reports every problem at once.
func (inv *Inventory) validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if inv.APIVersion != APIVersion || inv.Kind != Kind {
		bad("apiVersion and kind are %q and %q: must be %s and %s", inv.APIVersion, inv.Kind, APIVersion, Kind)
	}
	if len(inv.Nodes) == 0 {
		bad("no nodes")
	}
	if c := inv.Credentials; c != nil && (c.UsernameFile == "" || c.PasswordFile == "") {
		bad("credentials: usernameFile and passwordFile are required")
	}
	seen := map[string]string{}
	for i, h := range inv.Nodes {
		where := fmt.Sprintf("nodes[%d] %s", i, h.Name)
		for _, err := range h.problems() {
			bad("%s: %w", where, err)
		}
		for _, what := range []string{"name " + h.Name, "address " + h.Address, "volume " + filepath.Clean(h.Volume)} {
			key := what
			if strings.HasPrefix(what, "volume ") { // of one machine; the arguments of a prefix may be secrets and are not printed
				key += "\x00" + strings.Join(h.Prefix, "\x00")
			}
			if other, ok := seen[key]; ok {
				bad("%s: has the same %s as %s", where, what, other)
			}
			seen[key] = where
		}
	}
	return errors.Join(problems...)
}

func (h *Host) problems() []error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if h.Name == "" || h.Address == "" {
		bad("name and address are required")
	}
	for _, dir := range append([]string{h.Volume}, h.DataDirectories...) {
		if !filepath.IsAbs(dir) {
			bad("%q is not an absolute path", dir)
		}
	}
	if h.CQLPort < 0 || h.CQLPort > 65535 {
		bad("cqlPort is %d: must be from 1 to 65535 (left out: %d)", h.CQLPort, defaultCQLPort)
	}
	if len(h.DataDirectories) == 0 {
		bad("dataDirectories is empty")
	}
	api := h.ManagementAPI
	if api != "" && !strings.HasPrefix(api, "unix:///") && !strings.HasPrefix(api, "http://") {
		bad("managementAPI %q is neither unix:///path nor http://host:port", api)
	}
	if api == "" && len(h.Nodetool) == 0 {
		bad("set managementAPI or nodetool")
	}
	if len(h.Prefix) > 0 && !plainWord.MatchString(h.Agent) {
		bad("with a prefix, agent must be the path of casshook-agent on the node, without spaces or quotes")
	}
	return problems
}

func (h *Host) node() ring.Node {
	port := h.CQLPort
	if port == 0 {
		port = defaultCQLPort
	}
	return ring.Node{
		Node: wire.Node{Name: h.Name, Volume: h.Volume, DataDirs: h.DataDirectories, API: h.ManagementAPI,
			Nodetool: h.Nodetool, VolumeID: h.VolumeID},
		Address: h.Address, CQLPort: port,
	}
}
