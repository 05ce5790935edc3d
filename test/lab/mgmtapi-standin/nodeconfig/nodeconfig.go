// Package nodeconfig makes a node's configuration files from what an operator puts in a pod's environment, as the config
// builder of k8ssandra (k8ssandra/k8ssandra-client, pkg/config) does it for the real images.
//
// Nothing in them depends on a former start: a pod's address changes, and the volume may be another one's copy.
package nodeconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/casshook/casshook/test/lab/cassandra"
	standin "github.com/casshook/casshook/test/lab/mgmtapi-standin"
)

// Input is all that the files depend on.
type Input struct {
	// Data is CONFIG_FILE_DATA.
	Data Data
	// Pod is POD_IP.
	Pod netip.Addr
	// Rack is RACK_NAME.
	Rack string
	// Version is PRODUCT_VERSION, as 5.0.9.
	Version string
	// Fast is LAB_FAST_START: a restart does not wait for peers that are down.
	Fast bool
}

// Data is the part of cass-operator's JSON that is understood: its own additions, and spec.config.
type Data struct {
	Cluster struct {
		Name  string `json:"name"`
		Seeds string `json:"seeds"` // DNS names with commas
	} `json:"cluster-info"`
	Datacenter struct {
		Name string `json:"name"`
	} `json:"datacenter-info"`
	YAML  map[string]any `json:"cassandra-yaml"`
	JVM   map[string]any `json:"jvm-server-options"`
	JVM17 map[string]any `json:"jvm17-server-options"`
	Env   map[string]any `json:"cassandra-env-sh"`

	// others are the names of all other parts.
	others []string
}

// FromEnv reads the environment of the init container and tells every problem at once.
func FromEnv(env func(string) string) (Input, error) {
	in := Input{Rack: env("RACK_NAME"), Version: env("PRODUCT_VERSION"), Fast: env("LAB_FAST_START") == "true"}
	var problems []error
	var err error
	if in.Data, err = parse(env("CONFIG_FILE_DATA")); err != nil {
		problems = append(problems, fmt.Errorf("CONFIG_FILE_DATA: %w", err))
	}
	if in.Pod, err = netip.ParseAddr(env("POD_IP")); err != nil {
		problems = append(problems, fmt.Errorf("POD_IP: %w", err))
	}
	if product := env("PRODUCT_NAME"); product != "" && product != "cassandra" {
		problems = append(problems, fmt.Errorf("PRODUCT_NAME: %q is not cassandra", product))
	}
	for name, value := range map[string]string{
		"RACK_NAME": in.Rack, "PRODUCT_VERSION": in.Version, "CONFIG_FILE_DATA: cluster-info.name": in.Data.Cluster.Name,
		"CONFIG_FILE_DATA: cluster-info.seeds":   in.Data.Cluster.Seeds,
		"CONFIG_FILE_DATA: datacenter-info.name": in.Data.Datacenter.Name,
	} {
		if value == "" {
			problems = append(problems, fmt.Errorf("%s is empty", name))
		}
	}
	return in, errors.Join(problems...)
}

func parse(text string) (Data, error) {
	var data Data
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber() // as they were written
	if err := decoder.Decode(&data); err != nil {
		return data, err
	}
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return data, err
	}
	known := []string{"cluster-info", "datacenter-info", "cassandra-yaml", "jvm-server-options", "jvm17-server-options", "cassandra-env-sh"}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !slices.Contains(known, name) {
			data.others = append(data.others, name)
		}
	}
	return data, nil
}

// Render returns the files by name, and the names of what was left out because it is not understood.
func Render(in Input) (files map[string]string, ignored []string, err error) {
	keys, err := cassandraYAML(in)
	if err != nil {
		return nil, nil, err
	}
	text, err := yaml.Marshal(keys)
	if err != nil {
		return nil, nil, fmt.Errorf("render cassandra.yaml: %w", err)
	}
	server, unknown := jvmOptions("jvm-server-options", in.Data.JVM)
	server17, unknown17 := jvmOptions("jvm17-server-options", in.Data.JVM17)
	env, unknownEnv := jvmOptions("cassandra-env-sh", in.Data.Env)
	return map[string]string{
		"cassandra.yaml":              string(text),
		"cassandra-rackdc.properties": fmt.Sprintf("dc=%s\nrack=%s\n", in.Data.Datacenter.Name, in.Rack),
		"jvm-server.options":          lines(append(server, server17...)),
		"cassandra-env.options":       lines(env),
	}, slices.Concat(in.Data.others, unknown, unknown17, unknownEnv), nil
}

// cassandraYAML lays three layers over each other: the lab's base, the user's keys, and what must be as it is.
func cassandraYAML(in Input) (map[string]any, error) {
	keys, err := base(in)
	if err != nil {
		return nil, err
	}
	for name, value := range in.Data.YAML {
		for _, other := range otherSpellings(name) {
			delete(keys, other)
		}
		keys[name] = merge(keys[name], value)
		if value == nil {
			delete(keys, name)
		}
	}
	everywhere := "0.0.0.0"
	if in.Pod.Is6() {
		everywhere = "::"
	}
	delete(keys, "broadcast_address") // then it is listen_address
	maps.Copy(keys, map[string]any{
		"cluster_name":          in.Data.Cluster.Name,
		"listen_address":        in.Pod.String(),
		"rpc_address":           everywhere,
		"broadcast_rpc_address": in.Pod.String(),
		"endpoint_snitch":       "GossipingPropertyFileSnitch",
		"seed_provider": []any{map[string]any{
			"class_name": standin.SeedProviderClass,
			"parameters": []any{map[string]any{"seeds": in.Data.Cluster.Seeds}},
		}},
	})
	return keys, nil
}

// base is what the version's own cassandra.yaml would be, as far as it matters; cassandra_latest.yaml from 5.0 on, which
// is what the config builder takes there. Directories are left out as in the real images: they are below
// cassandra.storagedir, which is on the volume.
func base(in Input) (map[string]any, error) {
	major, _, _ := strings.Cut(in.Version, ".")
	number, err := strconv.Atoi(major)
	if err != nil || number < 4 {
		return nil, fmt.Errorf("version %q: the lab has configurations for 4.0 and later", in.Version)
	}
	texts := cassandra.CommonKeys(in.Version)
	maps.Copy(texts, cassandra.FeatureKeys(in.Version, cassandra.Features{
		DisableMaterializedViews: true, DisableUserDefinedFunctions: true, DisableSASI: true, DisableDropCompactStorage: true,
	}))
	texts["authenticator"], texts["authorizer"] = "AllowAllAuthenticator", "AllowAllAuthorizer"
	if number >= 5 {
		maps.Copy(texts, cassandra.LatestKeys())
	}
	if in.Fast {
		texts["block_for_peers_timeout_in_secs"] = "-1"
	}
	keys := map[string]any{}
	for name, text := range texts {
		var value any
		if err := yaml.Unmarshal([]byte(text), &value); err != nil {
			return nil, fmt.Errorf("parse %s: %w", name, err)
		}
		keys[name] = value
	}
	return keys, nil
}

// otherSpellings are the names that a key of cassandra.yaml has in newer or older versions: 4.1 and later understand both,
// but not both at once.
func otherSpellings(name string) []string {
	if feature, ok := strings.CutPrefix(name, "enable_"); ok {
		return []string{feature + "_enabled"}
	}
	if feature, ok := strings.CutSuffix(name, "_enabled"); ok {
		return []string{"enable_" + feature}
	}
	if period, ok := strings.CutSuffix(name, "_in_ms"); ok {
		return []string{period}
	}
	return []string{name + "_in_ms"}
}

// merge puts one value over another: mappings key by key, anything else as a whole.
func merge(under, over any) any {
	a, ok := under.(map[string]any)
	b, both := over.(map[string]any)
	if !ok || !both {
		return over
	}
	merged := maps.Clone(a)
	for name, value := range b {
		merged[name] = merge(merged[name], value)
	}
	return merged
}

// jvmOptions translates the keys that matter to a small node, and names the others.
func jvmOptions(part string, keys map[string]any) (options, unknown []string) {
	sizes := map[string]string{"initial_heap_size": "-Xms", "max_heap_size": "-Xmx", "heap_new_size": "-Xmn"}
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		value := keys[name]
		more, isList := value.([]any)
		switch {
		case sizes[name] != "":
			options = append(options, sizes[name]+fmt.Sprint(value))
		case name == "additional-jvm-opts" && isList:
			for _, option := range more {
				options = append(options, fmt.Sprint(option))
			}
		default:
			unknown = append(unknown, part+"."+name)
		}
	}
	return options, unknown
}

func lines(options []string) string {
	var text strings.Builder
	for _, option := range options {
		text.WriteString(option + "\n")
	}
	return text.String()
}

// Write puts the files in a directory, over those of a former start.
func Write(files map[string]string, dir string) error {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
	}
	return nil
}
