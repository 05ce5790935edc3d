package cassandra

import (
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// InventoryMode says how casshook is told to reach the nodes' management.
type InventoryMode string

const (
	// InventorySocket names the stand-in's unix socket.
	InventorySocket InventoryMode = "socket"
	// InventoryTCP names the stand-in's URL.
	InventoryTCP InventoryMode = "tcp"
	// InventoryNodetool names no API, so that nodetool is used.
	InventoryNodetool InventoryMode = "nodetool"
)

// inventory is casshook's description of a ring on plain hosts (kind Inventory of casshook.io/v1). It is spelled out here and
// not taken from the product, so that a change of the product's format is noticed.
type inventory struct {
	APIVersion  string               `json:"apiVersion"`
	Kind        string               `json:"kind"`
	Cluster     string               `json:"cluster"`
	Credentials inventoryCredentials `json:"credentials"`
	Nodes       []inventoryNode      `json:"nodes"`
}

type inventoryCredentials struct {
	UsernameFile string `json:"usernameFile"`
	PasswordFile string `json:"passwordFile"`
}

type inventoryNode struct {
	Name            string   `json:"name"`
	Address         string   `json:"address"`
	CQLPort         int      `json:"cqlPort"`
	Volume          string   `json:"volume"`
	DataDirectories []string `json:"dataDirectories"`
	ManagementAPI   string   `json:"managementAPI,omitempty"`
	Nodetool        []string `json:"nodetool"`
}

// InventoryFile is where Start leaves an inventory: by socket, or by nodetool when the API is disabled.
func (r *Ring) InventoryFile() string { return filepath.Join(r.dir, "inventory.yaml") }

// WriteInventory writes casshook's inventory of the ring.
func (r *Ring) WriteInventory(path string, mode InventoryMode) error {
	inv := inventory{
		APIVersion:  "casshook.io/v1",
		Kind:        "Inventory",
		Cluster:     r.state.Options.ClusterName,
		Credentials: inventoryCredentials{UsernameFile: r.UsernameFile(), PasswordFile: r.PasswordFile()},
	}
	for _, n := range r.nodes {
		api, err := n.managementAPI(mode)
		if err != nil {
			return err
		}
		inv.Nodes = append(inv.Nodes, inventoryNode{
			Name: n.Name, Address: n.Address, CQLPort: n.CQLPort,
			Volume: n.VolumeRoot, DataDirectories: n.DataDirs, ManagementAPI: api, Nodetool: n.Nodetool,
		})
	}
	text, err := yaml.Marshal(inv)
	if err != nil {
		return fmt.Errorf("render inventory: %w", err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("write inventory: %w", err)
	}
	return nil
}

func (n *Node) managementAPI(mode InventoryMode) (string, error) {
	if mode == InventoryNodetool {
		return "", nil
	}
	if n.ring.state.Options.API.Disable {
		return "", fmt.Errorf("inventory by %s: the ring has no Management API", mode)
	}
	switch mode {
	case InventorySocket:
		return "unix://" + n.APISocket, nil
	case InventoryTCP:
		return n.APIURL, nil
	default:
		return "", fmt.Errorf("inventory mode %q is unknown", mode)
	}
}
