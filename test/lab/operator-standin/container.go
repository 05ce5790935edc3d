package operatorstandin

import (
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	certsPath = "/management-api-certs"
	// standIn is the program of the lab's image that is configuration builder, Management API and logger.
	standIn   = "/usr/local/bin/mgmtapi-standin"
	systemLog = "/var/log/cassandra/system.log"
)

func mountName(m corev1.VolumeMount) string  { return m.Name }
func envName(e corev1.EnvVar) string         { return e.Name }
func portName(p corev1.ContainerPort) string { return p.Name }

func field(name, path string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path}}}
}

// edit changes the container of a name, which is appended first when the user's list has none.
func edit(containers []corev1.Container, name string, change func(*corev1.Container)) []corev1.Container {
	at := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == name })
	if at < 0 {
		containers, at = append(containers, corev1.Container{Name: name}), len(containers)
	}
	change(&containers[at])
	return containers
}

// resources are the given ones, or cpu and memory as request and limit (pkg/reconciliation/defaults.go of cass-operator).
func resources(given corev1.ResourceRequirements, cpu, memory string) corev1.ResourceRequirements {
	if len(given.Requests) > 0 || len(given.Limits) > 0 {
		return *given.DeepCopy()
	}
	list := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
	return corev1.ResourceRequirements{Requests: list, Limits: list.DeepCopy()}
}

// setImage gives a container the image, and the command that it needs of it, unless the user has an image of his own.
func setImage(c *corev1.Container, image string, command ...string) {
	if c.Image != "" {
		return
	}
	c.Image, c.ImagePullPolicy = image, corev1.PullIfNotPresent
	if c.Command == nil && len(command) > 0 {
		c.Command = command
	}
}

// withConfig adds the init container that writes Cassandra's configuration. Its default of one CPU is the real one's.
func (d *Datacenter) withConfig(containers []corev1.Container, rack Rack, image, config string) []corev1.Container {
	return edit(containers, configContainer, func(c *corev1.Container) {
		setImage(c, image, standIn, "config")
		c.Env = combine(c.Env, envName,
			field("POD_IP", "status.podIP"),
			field("HOST_IP", "status.hostIP"),
			corev1.EnvVar{Name: "USE_HOST_IP_FOR_BROADCAST", Value: strconv.FormatBool(d.Spec.Networking != nil && d.Spec.Networking.NodePort != nil)},
			corev1.EnvVar{Name: "RACK_NAME", Value: rack.Name},
			corev1.EnvVar{Name: "PRODUCT_VERSION", Value: d.Spec.ServerVersion},
			corev1.EnvVar{Name: "PRODUCT_NAME", Value: d.Spec.ServerType},
			corev1.EnvVar{Name: "CONFIG_FILE_DATA", Value: config},
		)
		c.VolumeMounts = combine(c.VolumeMounts, mountName, corev1.VolumeMount{Name: configVolume, MountPath: "/config"})
		c.Resources = resources(d.Spec.ConfigBuilderResources, "1", "256Mi")
	})
}

// withServer adds cassandra and the logger, in this order, behind the user's containers.
func (d *Datacenter) withServer(containers []corev1.Container, image string) []corev1.Container {
	containers = edit(containers, cassandraContainer, func(c *corev1.Container) { d.cassandra(c, image) })
	if d.Spec.DisableSystemLoggerSidecar {
		return containers
	}
	return edit(containers, loggerContainer, func(c *corev1.Container) { d.logger(c, image) })
}

func (d *Datacenter) cassandra(c *corev1.Container, image string) {
	setImage(c, image)
	if len(c.Resources.Requests) == 0 && len(c.Resources.Limits) == 0 {
		c.Resources = *d.Spec.Resources.DeepCopy()
	}
	if c.LivenessProbe == nil {
		c.LivenessProbe = d.probe(pathLiveness, 15, 15)
	}
	if c.ReadinessProbe == nil {
		c.ReadinessProbe = d.probe(pathReadiness, 20, 10)
	}
	if c.Lifecycle == nil {
		c.Lifecycle = &corev1.Lifecycle{}
	}
	if c.Lifecycle.PreStop == nil {
		c.Lifecycle.PreStop = &corev1.LifecycleHandler{Exec: d.curl("POST", pathDrain)}
	}
	if d.readOnly() {
		if c.SecurityContext == nil {
			c.SecurityContext = &corev1.SecurityContext{}
		}
		yes, no := true, false
		c.SecurityContext.ReadOnlyRootFilesystem = &yes
		if c.SecurityContext.AllowPrivilegeEscalation == nil {
			c.SecurityContext.AllowPrivilegeEscalation = &no
		}
	}
	c.Env = combine(c.Env, envName, d.serverEnvironment()...)
	c.Ports = combine(c.Ports, portName, d.ports()...)
	c.VolumeMounts = combine(c.VolumeMounts, mountName, d.serverMounts()...)
}

func (d *Datacenter) serverEnvironment() []corev1.EnvVar {
	all := []corev1.EnvVar{
		field("POD_NAME", "metadata.name"),
		field("NODE_NAME", "spec.nodeName"),
		{Name: "DS_LICENSE", Value: "accept"},
		{Name: "USE_MGMT_API", Value: "true"},
		{Name: "MGMT_API_NO_KEEP_ALIVE", Value: "true"},
		{Name: "MGMT_API_EXPLICIT_START", Value: "true"},
		{Name: "MGMT_API_LISTEN_TCP_PORT", Value: strconv.Itoa(defaultManagementPort)},
	}
	if d.readOnly() {
		all = append(all, corev1.EnvVar{Name: "MGMT_API_DISABLE_MCAC", Value: "true"})
	}
	if d.manual() != nil {
		all = append(all,
			corev1.EnvVar{Name: "MGMT_API_TLS_CA_CERT_FILE", Value: certsPath + "/ca.crt"},
			corev1.EnvVar{Name: "MGMT_API_TLS_CERT_FILE", Value: certsPath + "/tls.crt"},
			corev1.EnvVar{Name: "MGMT_API_TLS_KEY_FILE", Value: certsPath + "/tls.key"})
	}
	return all
}

func (d *Datacenter) ports() []corev1.ContainerPort {
	named := func(name string, number int32) corev1.ContainerPort {
		return corev1.ContainerPort{Name: name, ContainerPort: number, Protocol: corev1.ProtocolTCP}
	}
	return []corev1.ContainerPort{
		named("native", d.nativePort()), named("tls-native", 9142), named("internode", 7000), named("tls-internode", 7001),
		named("jmx", 7199), named(managementPort, defaultManagementPort), named("prometheus", 9103), named("metrics", 9000),
	}
}

func (d *Datacenter) serverMounts() []corev1.VolumeMount {
	all := []corev1.VolumeMount{
		{Name: logsVolume, MountPath: "/var/log/cassandra"},
		{Name: dataVolume, MountPath: "/var/lib/cassandra"},
		{Name: configVolume, MountPath: "/config"},
	}
	if d.readOnly() {
		all = append(all, corev1.VolumeMount{Name: tmpVolume, MountPath: "/tmp"}, corev1.VolumeMount{Name: etcVolume, MountPath: "/etc/cassandra"})
	}
	return append(all, d.additionalMounts()...)
}

func (d *Datacenter) additionalMounts() []corev1.VolumeMount {
	var all []corev1.VolumeMount
	for _, volume := range d.Spec.StorageConfig.AdditionalVolumes {
		all = append(all, corev1.VolumeMount{Name: volume.Name, MountPath: volume.MountPath})
	}
	return all
}

func (d *Datacenter) logger(c *corev1.Container, image string) {
	if d.Spec.SystemLoggerImage != "" && c.Image == "" {
		c.Image, c.ImagePullPolicy = d.Spec.SystemLoggerImage, corev1.PullIfNotPresent
	}
	setImage(c, image, standIn, "logger", systemLog)
	c.Env = combine(c.Env, envName,
		field("POD_NAME", "metadata.name"),
		field("NODE_NAME", "spec.nodeName"),
		corev1.EnvVar{Name: "CLUSTER_NAME", Value: d.Spec.ClusterName},
		corev1.EnvVar{Name: "DATACENTER_NAME", Value: d.DatacenterName()},
		field("RACK_NAME", fmt.Sprintf("metadata.labels['%s']", rackLabel)),
		field("NAMESPACE", "metadata.namespace"),
	)
	c.VolumeMounts = combine(c.VolumeMounts, mountName, append([]corev1.VolumeMount{
		{Name: logsVolume, MountPath: "/var/log/cassandra"},
		{Name: vectorVolume, MountPath: "/var/lib/vector"},
	}, d.additionalMounts()...)...)
	c.Resources = resources(d.Spec.SystemLoggerResources, "100m", "64Mi")
}

// probe asks over HTTP, and from inside the container when the Management API wants a client's certificate, which the kubelet has not.
func (d *Datacenter) probe(path string, delay, period int32) *corev1.Probe {
	probe := &corev1.Probe{InitialDelaySeconds: delay, PeriodSeconds: period, TimeoutSeconds: 10}
	if d.manual() == nil {
		probe.HTTPGet = &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(defaultManagementPort), Scheme: corev1.URISchemeHTTP}
	} else {
		probe.Exec = d.curl("GET", path)
	}
	return probe
}

// curl calls the pod's own Management API; a status of 400 and above is a failure.
func (d *Datacenter) curl(method, path string) *corev1.ExecAction {
	command := []string{"curl", "--silent", "--show-error", "--fail", "--request", method}
	scheme := "http"
	if d.manual() != nil {
		scheme = "https"
		command = append(command, "--insecure", "--cacert", certsPath+"/ca.crt", "--cert", certsPath+"/tls.crt", "--key", certsPath+"/tls.key")
	}
	return &corev1.ExecAction{Command: append(command, fmt.Sprintf("%s://localhost:%d%s", scheme, defaultManagementPort, path))}
}
