package operatorstandin

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

func build(t *testing.T, documents ...string) *appsv1.StatefulSet {
	t.Helper()
	object := sample(t, documents...)
	readCRD(t).check(t, object)
	dc, unknown, err := decode(object)
	require.NoError(t, err)
	require.Empty(t, unknown)
	set, err := dc.statefulSet(dc.racks()[0], 2, DefaultImage)
	require.NoError(t, err)
	return set
}

func names[T any](list []T, name func(T) string) []string {
	var all []string
	for _, value := range list {
		all = append(all, name(value))
	}
	return all
}

func containerName(c corev1.Container) string { return c.Name }

func env(c corev1.Container) map[string]string {
	all := map[string]string{}
	for _, e := range c.Env {
		all[e.Name] = e.Value
		if e.ValueFrom != nil && e.ValueFrom.FieldRef != nil {
			all[e.Name] = "@" + e.ValueFrom.FieldRef.FieldPath
		}
	}
	return all
}

func mounts(c corev1.Container) map[string]string {
	all := map[string]string{}
	for _, m := range c.VolumeMounts {
		all[m.Name] = m.MountPath
	}
	return all
}

func TestStatefulSet(t *testing.T) {
	t.Parallel()
	set := build(t, "spec: {additionalLabels: {team: blue}}")
	selector := map[string]string{clusterLabel: "ShopOne", datacenterLabel: "dc1", rackLabel: "r1"}
	labels := merged(selector, map[string]string{
		managedByLabel: "cass-operator", createdByLabel: "cass-operator", nameLabel: "cassandra", instanceLabel: "cassandra-ShopOne",
		versionLabel: "5.0.9", "team": "blue"})
	require.Equal(t, "shopone-dc1-r1-sts", set.Name)
	require.Equal(t, labels, set.Labels)
	require.Equal(t, selector, set.Spec.Selector.MatchLabels)
	require.Equal(t, merged(labels, map[string]string{stateLabel: "Ready-to-Start"}), set.Spec.Template.Labels)
	require.Equal(t, appsv1.ParallelPodManagement, set.Spec.PodManagementPolicy)
	require.Equal(t, int32(5), set.Spec.MinReadySeconds)
	require.Equal(t, "shopone-dc1-all-pods-service", set.Spec.ServiceName)
	require.Nil(t, set.Spec.PersistentVolumeClaimRetentionPolicy)
	require.Len(t, set.OwnerReferences, 1)
	require.True(t, *set.OwnerReferences[0].Controller)
	require.Equal(t, "CassandraDatacenter/dc1", set.OwnerReferences[0].Kind+"/"+set.OwnerReferences[0].Name)
	require.Len(t, set.Spec.VolumeClaimTemplates, 1)
	require.Equal(t, "server-data", set.Spec.VolumeClaimTemplates[0].Name)
	require.Equal(t, labels, set.Spec.VolumeClaimTemplates[0].Labels)
}

func TestPodTemplate(t *testing.T) {
	t.Parallel()
	spec := build(t).Spec.Template.Spec
	require.Equal(t, []string{"server-config-init"}, names(spec.InitContainers, containerName))
	require.Equal(t, []string{"cassandra", "server-system-logger"}, names(spec.Containers, containerName))
	require.Equal(t, []string{"server-config", "server-logs", "tmp", "etc-cassandra", "vector-lib"},
		names(spec.Volumes, func(v corev1.Volume) string { return v.Name }))
	require.Equal(t, int64(120), *spec.TerminationGracePeriodSeconds)
	require.Equal(t, int64(999), *spec.SecurityContext.RunAsUser)
	require.Equal(t, int64(999), *spec.SecurityContext.RunAsGroup)
	require.Equal(t, int64(999), *spec.SecurityContext.FSGroup)
	require.True(t, *spec.SecurityContext.RunAsNonRoot)
	term := spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0]
	require.Equal(t, "kubernetes.io/hostname", term.TopologyKey)
	require.Len(t, term.LabelSelector.MatchExpressions, 3)

	config := spec.InitContainers[0]
	require.Equal(t, []string{"/usr/local/bin/mgmtapi-standin", "config"}, config.Command)
	require.Equal(t, "1", config.Resources.Requests.Cpu().String())
	require.JSONEq(t, `{
		"cluster-info": {"name": "Shop One", "seeds": "shopone-seed-service,shopone-dc1-additional-seed-service"},
		"datacenter-info": {"name": "dc1", "graph-enabled": 0, "solr-enabled": 0, "spark-enabled": 0},
		"cassandra-yaml": {"authenticator": "PasswordAuthenticator", "num_tokens": 16}}`, env(config)["CONFIG_FILE_DATA"])
	require.Equal(t, "@status.podIP", env(config)["POD_IP"])
	require.Equal(t, "r1", env(config)["RACK_NAME"])
	require.Equal(t, map[string]string{"server-config": "/config"}, mounts(config))

	server := spec.Containers[0]
	require.Equal(t, "casshook.lab/cassandra:5.0.9", server.Image)
	require.Equal(t, corev1.PullIfNotPresent, server.ImagePullPolicy)
	require.Empty(t, server.Command, "the image's entry point")
	require.True(t, *server.SecurityContext.ReadOnlyRootFilesystem)
	require.Equal(t, map[string]string{"server-data": "/var/lib/cassandra", "server-logs": "/var/log/cassandra", "server-config": "/config",
		"tmp": "/tmp", "etc-cassandra": "/etc/cassandra"}, mounts(server))
	require.Equal(t, map[string]string{"POD_NAME": "@metadata.name", "NODE_NAME": "@spec.nodeName", "DS_LICENSE": "accept", "USE_MGMT_API": "true",
		"MGMT_API_NO_KEEP_ALIVE": "true", "MGMT_API_EXPLICIT_START": "true", "MGMT_API_LISTEN_TCP_PORT": "8080", "MGMT_API_DISABLE_MCAC": "true"}, env(server))
	require.Equal(t, "/api/v0/probes/readiness", server.ReadinessProbe.HTTPGet.Path)
	require.Equal(t, int32(20), server.ReadinessProbe.InitialDelaySeconds)
	require.Equal(t, int32(10), server.ReadinessProbe.PeriodSeconds)
	require.Equal(t, int32(15), server.LivenessProbe.PeriodSeconds)
	require.Equal(t, []string{"curl", "--silent", "--show-error", "--fail", "--request", "POST", "http://localhost:8080/api/v0/ops/node/drain"},
		server.Lifecycle.PreStop.Exec.Command)
	require.Equal(t, []string{"native", "tls-native", "internode", "tls-internode", "jmx", "mgmt-api-http", "prometheus", "metrics"},
		names(server.Ports, portName))

	logger := spec.Containers[1]
	require.Equal(t, []string{"/usr/local/bin/mgmtapi-standin", "logger", "/var/log/cassandra/system.log"}, logger.Command)
	require.Equal(t, "100m", logger.Resources.Limits.Cpu().String())
}

func TestPodTemplateOfTheUser(t *testing.T) {
	t.Parallel()
	set := build(t, `
spec:
  allowMultipleNodesPerWorker: true
  resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {cpu: "1", memory: 1Gi}}
  configBuilderResources: {requests: {cpu: 10m}}
  readOnlyRootFilesystem: false
  serviceAccountName: db
  nodeAffinityLabels: {disk: ssd}
  racks: [{name: r1, nodeAffinityLabels: {room: a}}, {name: r2}, {name: r3}]
  disableSystemLoggerSidecar: true
  storageConfig:
    additionalVolumes:
    - {name: commitlog, mountPath: /commitlog, pvcSpec: {storageClassName: fast, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}
    - {name: certs, mountPath: /certs, volumeSource: {secret: {secretName: certs}}}
  podTemplateSpec:
    metadata: {labels: {mine: "1"}, annotations: {note: x}}
    spec:
      terminationGracePeriodSeconds: 7
      securityContext: {runAsUser: 1234}
      initContainers: [{name: first, image: busybox}]
      containers:
      - {name: sidecar, image: busybox}
      - {name: cassandra, env: [{name: POD_NAME, value: mine}, {name: EXTRA, value: "1"}]}
`)
	spec := set.Spec.Template.Spec
	require.Equal(t, []string{"first", "server-config-init"}, names(spec.InitContainers, containerName))
	require.Equal(t, []string{"sidecar", "cassandra"}, names(spec.Containers, containerName), "the user's first")
	require.Equal(t, "1", set.Spec.Template.Labels["mine"])
	require.Equal(t, map[string]string{"note": "x"}, set.Spec.Template.Annotations)
	require.Equal(t, int64(7), *spec.TerminationGracePeriodSeconds)
	require.Nil(t, spec.SecurityContext.FSGroup)
	require.Nil(t, spec.Affinity.PodAntiAffinity)
	require.Equal(t, "db", spec.ServiceAccountName)
	wanted := spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0].MatchExpressions
	require.Equal(t, []string{"disk", "room"}, names(wanted, func(r corev1.NodeSelectorRequirement) string { return r.Key }))
	server := spec.Containers[1]
	require.Equal(t, "mine", env(server)["POD_NAME"])
	require.Equal(t, "1", env(server)["EXTRA"])
	require.Nil(t, server.SecurityContext)
	require.Equal(t, "500m", server.Resources.Requests.Cpu().String())
	require.Equal(t, "10m", spec.InitContainers[1].Resources.Requests.Cpu().String())
	require.Empty(t, spec.InitContainers[1].Resources.Limits)
	require.Equal(t, "/commitlog", mounts(server)["commitlog"])
	require.Equal(t, "/certs", mounts(server)["certs"])
	require.Equal(t, []string{"server-config", "server-logs", "certs"}, names(spec.Volumes, func(v corev1.Volume) string { return v.Name }))
	require.Equal(t, []string{"server-data", "commitlog"},
		names(set.Spec.VolumeClaimTemplates, func(c corev1.PersistentVolumeClaim) string { return c.Name }))
}

func TestPodTemplateWithManualAuthorization(t *testing.T) {
	t.Parallel()
	spec := build(t, "spec: {managementApiAuth: {manual: {clientSecretName: client, serverSecretName: server}}}").Spec.Template.Spec
	for _, container := range spec.Containers {
		require.Equal(t, "/management-api-certs", mounts(container)["management-api-server-certs-volume"], container.Name)
	}
	volume := spec.Volumes[len(spec.Volumes)-1]
	require.Equal(t, "server", volume.Secret.SecretName)
	server := spec.Containers[0]
	require.Equal(t, "/management-api-certs/tls.key", env(server)["MGMT_API_TLS_KEY_FILE"])
	require.Nil(t, server.ReadinessProbe.HTTPGet)
	require.Equal(t, []string{"curl", "--silent", "--show-error", "--fail", "--request", "GET", "--insecure",
		"--cacert", "/management-api-certs/ca.crt", "--cert", "/management-api-certs/tls.crt", "--key", "/management-api-certs/tls.key",
		"https://localhost:8080/api/v0/probes/readiness"}, server.ReadinessProbe.Exec.Command)
	require.Contains(t, server.Lifecycle.PreStop.Exec.Command, "https://localhost:8080/api/v0/ops/node/drain")
}

func TestReadOnlyRootFileSystem(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]bool{
		"spec: {serverVersion: 5.0.9}":                         true,
		"spec: {serverVersion: 4.1.10}":                        true,
		"spec: {serverVersion: 4.0.20}":                        false,
		"spec: {serverVersion: 5.0.9, serverImage: mine:1}":    false,
		"spec: {serverVersion: 10.0.0}":                        true,
		"spec: {readOnlyRootFilesystem: false}":                false,
		"spec: {readOnlyRootFilesystem: true, serverImage: m}": true,
	} {
		dc, _, err := decode(sample(t, document))
		require.NoError(t, err)
		require.Equal(t, want, dc.readOnly(), document)
	}
}

func TestTheSameTemplateHasTheSameSum(t *testing.T) {
	t.Parallel()
	first := build(t).Annotations[hashAnnotation]
	require.NotEmpty(t, first)
	for range 5 {
		require.Equal(t, first, build(t).Annotations[hashAnnotation])
	}
	require.Equal(t, first, build(t, "spec: {size: 9}").Annotations[hashAnnotation], "the size is no part of it")
	require.NotEqual(t, first, build(t, "spec: {serverVersion: 5.0.8}").Annotations[hashAnnotation])
}

func TestDecodeNamesWhatIsNotObeyed(t *testing.T) {
	t.Parallel()
	_, unknown, err := decode(sample(t, "spec: {replaceNodes: [x], cdc: {pulsarServiceUrl: y}}"))
	require.NoError(t, err)
	require.Len(t, unknown, 2)
	_, _, err = decode(sample(t, "spec: {size: many}"))
	require.ErrorContains(t, err, "decode datacenter db/dc1")
}

func TestServicesOnlyAsAsked(t *testing.T) {
	t.Parallel()
	dc, _, err := decode(sample(t))
	require.NoError(t, err)
	serviceName := func(s *corev1.Service) string { return s.Name }
	require.Equal(t, []string{"shopone-dc1-service", "shopone-seed-service", "shopone-dc1-all-pods-service", "shopone-dc1-additional-seed-service"},
		names(dc.desiredServices(), serviceName))
	for _, service := range dc.desiredServices() {
		require.Equal(t, "None", service.Spec.ClusterIP, service.Name)
		require.Equal(t, service.Name != "shopone-dc1-service", service.Spec.PublishNotReadyAddresses, service.Name)
	}
	require.Nil(t, dc.additionalSeedService().Spec.Selector)

	dc, _, err = decode(sample(t, "spec: {networking: {nodePort: {native: 30001, internode: 30002}}}"))
	require.NoError(t, err)
	require.Contains(t, names(dc.desiredServices(), serviceName), "shopone-dc1-node-port-service")
	require.Equal(t, int32(30001), dc.nodePortService().Spec.Ports[1].NodePort)
}
