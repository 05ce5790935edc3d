package datacenter

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"

	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// Config is what is used of a datacenter's Cassandra configuration
// (spec.config, as cass-operator takes it: "cassandra-yaml" and others).
type Config struct {
	// DataDirs and the other directories are empty where the image's own hold.
	DataDirs []string
	// SystemDir is local_system_data_file_directory, empty where it is not set.
	SystemDir                          string
	CommitLog, Hints, SavedCaches, CDC string
	CQLPort                            int
	// NumTokens and Compatibility (storage_compatibility_mode) are zero where the
	// image's own hold.
	NumTokens     int
	Compatibility string
	// AutoRepair says that the JVM is started with automatic repair.
	AutoRepair bool
	// ClientEncryption says that CQLPort speaks TLS.
	ClientEncryption bool
}

// ReadConfig tolerates whatever is missing or odd: Cassandra itself would refuse it.
func ReadConfig(config map[string]any) Config {
	f := objects.Fields(config)
	yaml := func(key string) string { return f.Text("cassandra-yaml", key) }
	c := Config{CommitLog: yaml("commitlog_directory"), Hints: yaml("hints_directory"), SavedCaches: yaml("saved_caches_directory"),
		CQLPort:   int(f.Number("cassandra-yaml", "native_transport_port")),
		NumTokens: int(f.Number("cassandra-yaml", "num_tokens")), Compatibility: yaml("storage_compatibility_mode"), AutoRepair: autoRepair(f)}
	if f.Flag("cassandra-yaml", "cdc_enabled") { // without, Cassandra does not make the directory
		c.CDC = yaml("cdc_raw_directory")
	}
	c.ClientEncryption = f.Flag("cassandra-yaml", "client_encryption_options", "enabled")
	if c.CQLPort == 0 {
		c.CQLPort = objects.DefaultCQLPort
	}
	// With a port of its own for TLS, native_transport_port stays without
	// (conf/cassandra.yaml of Cassandra 4.0 to 5.0, native_transport_port_ssl).
	if port := int(f.Number("cassandra-yaml", "native_transport_port_ssl")); port != 0 && c.ClientEncryption {
		c.CQLPort = port
	}
	if dir := yaml("local_system_data_file_directory"); dir != "" {
		c.SystemDir = path.Clean(dir)
	}
	switch dirs := f.Object("cassandra-yaml")["data_file_directories"].(type) {
	case string:
		c.DataDirs = []string{path.Clean(dirs)}
	case []any:
		for _, d := range dirs {
			if s, ok := d.(string); ok {
				c.DataDirs = append(c.DataDirs, path.Clean(s))
			}
		}
	}
	return c
}

// autoRepair looks for the property in the options of the JVM, wherever they are
// configured: cassandra-env-sh, jvm-server-options and those of one Java release.
func autoRepair(f objects.Fields) bool {
	for section := range f {
		options, _ := f.Object(section)["additional-jvm-opts"].([]any)
		if slices.Contains(options, any("-Dcassandra.autorepair.enable=true")) {
			return true
		}
	}
	return false
}

// loadConfig reads the configuration of a datacenter that keeps it in a secret.
func loadConfig(ctx context.Context, c *api.Client, d *Datacenter) error {
	if d.ConfigSecret == "" {
		return nil
	}
	data, err := c.Secret(ctx, d.Namespace, d.ConfigSecret)
	if err != nil {
		return fmt.Errorf("%s: spec.configSecret: %w", d, err)
	}
	var config map[string]any
	if err := json.Unmarshal(data[objects.ConfigKey], &config); err != nil { // its text may quote a value
		return fmt.Errorf("%s: spec.configSecret: secret %s: key %q is missing or not a JSON object", d, d.ConfigSecret, objects.ConfigKey)
	}
	d.Config = ReadConfig(config)
	return nil
}
