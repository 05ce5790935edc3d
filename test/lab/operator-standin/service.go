package operatorstandin

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// owner makes the datacenter the controller of an object, so that it goes with it.
func (d *Datacenter) owner() []metav1.OwnerReference {
	return []metav1.OwnerReference{*metav1.NewControllerRef(d, kind())}
}

// desiredServices are all but those that nobody asked for.
func (d *Datacenter) desiredServices() []*corev1.Service {
	services := []*corev1.Service{d.service(), d.seedService(), d.allPodsService(), d.additionalSeedService()}
	if d.Spec.Networking != nil && d.Spec.Networking.NodePort != nil {
		services = append(services, d.nodePortService())
	}
	return services
}

// headless is the common part.
func (d *Datacenter) headless(name string, ports ...corev1.ServicePort) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: d.Namespace, OwnerReferences: d.owner(),
			Labels:      merged(d.operatorLabels(), d.datacenterLabels()),
			Annotations: maps.Clone(d.Spec.AdditionalAnnotations),
		},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: corev1.ClusterIPNone,
			Selector: d.datacenterLabels(), Ports: ports,
		},
	}
}

func servicePort(name string, number int32) corev1.ServicePort {
	return corev1.ServicePort{Name: name, Port: number, TargetPort: intstr.FromInt32(number), Protocol: corev1.ProtocolTCP}
}

func (d *Datacenter) service() *corev1.Service {
	return d.headless(d.ServiceName(), servicePort("native", d.nativePort()), servicePort("tls-native", 9142),
		servicePort("mgmt-api", defaultManagementPort), servicePort("prometheus", 9103), servicePort("metrics", 9000),
		servicePort("thrift", 9160))
}

// seedService belongs to the cluster: every datacenter of it selects the seeds of all.
func (d *Datacenter) seedService() *corev1.Service {
	service := d.headless(d.SeedServiceName())
	service.Labels = merged(d.operatorLabels(), d.clusterLabels())
	service.Spec.Selector = merged(d.clusterLabels(), map[string]string{seedLabel: "true"})
	service.Spec.PublishNotReadyAddresses = true
	return service
}

func (d *Datacenter) allPodsService() *corev1.Service {
	service := d.headless(d.AllPodsServiceName(), servicePort("native", d.nativePort()), servicePort("mgmt-api", defaultManagementPort),
		servicePort("prometheus", 9103), servicePort("metrics", 9000))
	service.Labels[metricsLabel] = "true"
	service.Spec.PublishNotReadyAddresses = true
	return service
}

// additionalSeedService has no selector: its endpoints are those of spec.additionalSeeds.
func (d *Datacenter) additionalSeedService() *corev1.Service {
	service := d.headless(d.AdditionalSeedServiceName())
	service.Spec.Selector = nil
	service.Spec.PublishNotReadyAddresses = true
	return service
}

func (d *Datacenter) nodePortService() *corev1.Service {
	native, internode := d.nativePort(), int32(7000)
	if ports := d.Spec.Networking.NodePort; ports.Internode > 0 {
		internode = ports.Internode
	}
	service := d.headless(d.NodePortServiceName(), servicePort("internode", internode), servicePort("native", native))
	for i := range service.Spec.Ports {
		service.Spec.Ports[i].NodePort = service.Spec.Ports[i].Port
	}
	service.Spec.Type, service.Spec.ClusterIP = corev1.ServiceTypeNodePort, ""
	service.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	return service
}

func (d *Datacenter) nativePort() int32 {
	if network := d.Spec.Networking; network != nil && network.NodePort != nil && network.NodePort.Native > 0 {
		return network.NodePort.Native
	}
	return 9042
}

// services makes what is missing. A service that exists is left alone, but for its labels; the seed service wholly, since other
// datacenters of the cluster write it too.
func (r *round) services(ctx context.Context) (outcome, error) {
	for _, service := range r.dc.desiredServices() {
		have := r.seen.Services[service.Name]
		if have == nil {
			_, err := r.core.CoreV1().Services(r.dc.Namespace).Create(ctx, service, metav1.CreateOptions{})
			if err != nil && !apierrors.IsAlreadyExists(err) {
				return fail(fmt.Errorf("create service %s: %w", service.Name, err))
			}
			r.event(ctx, normalEvent, eventCreatedResource, "Created service %s", service.Name)
			continue
		}
		if service.Name != r.dc.SeedServiceName() && !includes(have.Labels, service.Labels) {
			have = have.DeepCopy()
			have.Labels = merged(have.Labels, service.Labels)
			if _, err := r.core.CoreV1().Services(r.dc.Namespace).Update(ctx, have, metav1.UpdateOptions{}); err != nil {
				return fail(fmt.Errorf("label service %s: %w", service.Name, err))
			}
		}
	}
	return proceed()
}

// additionalSeeds keeps the Endpoints of the additional seeds; names are looked up each time.
func (r *round) additionalSeeds(ctx context.Context) (outcome, error) {
	if len(r.dc.Spec.AdditionalSeeds) == 0 {
		return proceed()
	}
	addresses, err := addresses(ctx, r.dc.Spec.AdditionalSeeds)
	if err != nil {
		return fail(err)
	}
	service := r.dc.additionalSeedService()
	//lint:ignore SA1019 the real operator writes Endpoints too, and what reads EndpointSlices gets them mirrored
	wanted := &corev1.Endpoints{ObjectMeta: service.ObjectMeta, Subsets: []corev1.EndpointSubset{{Addresses: addresses}}}
	client := r.core.CoreV1().Endpoints(r.dc.Namespace)
	have, err := client.Get(ctx, wanted.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = client.Create(ctx, wanted, metav1.CreateOptions{})
	case err == nil && (len(have.Subsets) != 1 || !slices.Equal(have.Subsets[0].Addresses, addresses)):
		wanted.ResourceVersion = have.ResourceVersion
		_, err = client.Update(ctx, wanted, metav1.UpdateOptions{})
	}
	if err != nil {
		return fail(fmt.Errorf("write endpoints %s: %w", wanted.Name, err))
	}
	return proceed()
}

func addresses(ctx context.Context, seeds []string) ([]corev1.EndpointAddress, error) {
	var ips []string
	for _, seed := range seeds {
		if net.ParseIP(seed) != nil {
			ips = append(ips, seed)
			continue
		}
		found, err := net.DefaultResolver.LookupHost(ctx, seed)
		if err != nil {
			return nil, fmt.Errorf("look up additional seed %s: %w", seed, err)
		}
		ips = append(ips, found...)
	}
	slices.Sort(ips)
	var addresses []corev1.EndpointAddress
	for _, ip := range slices.Compact(ips) {
		addresses = append(addresses, corev1.EndpointAddress{IP: ip})
	}
	return addresses, nil
}

// disruptionBudget lets one node go at a time.
func (r *round) disruptionBudget(ctx context.Context) (outcome, error) {
	if r.dc.Annotations[disableBudgetAnnotation] == "true" {
		return proceed()
	}
	atLeast := intstr.FromInt32(r.dc.Spec.Size - 1)
	wanted := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{
			Name: r.dc.BudgetName(), Namespace: r.dc.Namespace, OwnerReferences: r.dc.owner(),
			Labels:      merged(r.dc.operatorLabels(), r.dc.datacenterLabels()),
			Annotations: maps.Clone(r.dc.Spec.AdditionalAnnotations),
		},
		Spec: policyv1.PodDisruptionBudgetSpec{MinAvailable: &atLeast, Selector: &metav1.LabelSelector{MatchLabels: r.dc.datacenterLabels()}},
	}
	client := r.core.PolicyV1().PodDisruptionBudgets(r.dc.Namespace)
	if have := r.seen.Budgets[wanted.Name]; have != nil {
		if have.Spec.MinAvailable != nil && *have.Spec.MinAvailable == atLeast {
			return proceed()
		}
		if err := client.Delete(ctx, have.Name, metav1.DeleteOptions{}); err != nil {
			return fail(fmt.Errorf("delete disruption budget %s: %w", have.Name, err))
		}
	}
	if _, err := client.Create(ctx, wanted, metav1.CreateOptions{}); err != nil {
		return fail(fmt.Errorf("create disruption budget %s: %w", wanted.Name, err))
	}
	r.event(ctx, normalEvent, eventCreatedResource, "Created PodDisruptionBudget %s", wanted.Name)
	return proceed()
}
