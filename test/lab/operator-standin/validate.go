package operatorstandin

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
)

// validation ends the round of a datacenter that must not be reconciled: Valid=False and an event.
func (r *round) validation(ctx context.Context) (outcome, error) {
	problems := problems(r.dc, r.seen)
	if problems == nil {
		return proceed()
	}
	changed := r.status.set(Condition{Type: conditionValid, Status: "False", Reason: eventValidationFailed, Message: problems.Error()}, r.now())
	if changed {
		r.event(ctx, warningEvent, eventValidationFailed, "%s", problems)
	}
	return wait("a valid datacenter: %s", problems)
}

// problems are all reasons not to reconcile a datacenter.
func problems(dc *Datacenter, seen *Snapshot) error {
	return errors.Join(superuserProblem(dc, seen), usersProblem(dc, seen), authorizationProblem(dc, seen),
		storageProblem(dc), resourcesProblem(dc), siblingProblem(dc, seen))
}

func superuserProblem(dc *Datacenter, seen *Snapshot) error {
	name := dc.SuperuserSecretName()
	secret := seen.Secrets[name]
	if secret == nil && dc.Spec.SuperuserSecretName == "" {
		return nil // it will be made
	}
	return credentialsProblem(name, secret)
}

func usersProblem(dc *Datacenter, seen *Snapshot) error {
	var problems []error
	for _, user := range dc.Spec.Users {
		problems = append(problems, credentialsProblem(user.SecretName, seen.Secrets[user.SecretName]))
	}
	return errors.Join(problems...)
}

func credentialsProblem(name string, secret *corev1.Secret) error {
	if secret == nil {
		return fmt.Errorf("user secret %s does not exist: create it with username and password", name)
	}
	for _, key := range []string{"username", "password"} {
		if value, ok := secret.Data[key]; !ok || !utf8.Valid(value) {
			return fmt.Errorf("user secret %s: %s is missing or not UTF-8", name, key)
		}
	}
	return nil
}

func authorizationProblem(dc *Datacenter, seen *Snapshot) error {
	manual := dc.manual()
	if manual == nil || manual.SkipSecretValidation {
		return nil
	}
	var problems []error
	for _, name := range []string{manual.ClientSecretName, manual.ServerSecretName} {
		secret := seen.Secrets[name]
		if secret == nil {
			problems = append(problems, fmt.Errorf("managementApiAuth: secret %s does not exist", name))
			continue
		}
		if secret.Type != corev1.SecretTypeTLS {
			problems = append(problems, fmt.Errorf("managementApiAuth: secret %s is not of type %s", name, corev1.SecretTypeTLS))
		}
		for _, key := range []string{"ca.crt", "tls.crt", "tls.key"} {
			if len(secret.Data[key]) == 0 {
				problems = append(problems, fmt.Errorf("managementApiAuth: secret %s has no %s", name, key))
			}
		}
	}
	return errors.Join(problems...)
}

func storageProblem(dc *Datacenter) error {
	claim := dc.Spec.StorageConfig.CassandraDataVolumeClaimSpec
	if claim == nil {
		return errors.New("storageConfig.cassandraDataVolumeClaimSpec is required")
	}
	var problems []error
	if claim.StorageClassName == nil || *claim.StorageClassName == "" {
		problems = append(problems, errors.New("storageConfig.cassandraDataVolumeClaimSpec.storageClassName is required"))
	}
	if len(claim.AccessModes) == 0 {
		problems = append(problems, errors.New("storageConfig.cassandraDataVolumeClaimSpec.accessModes is required"))
	}
	for _, volume := range dc.Spec.StorageConfig.AdditionalVolumes {
		if (volume.PVCSpec == nil) == (volume.VolumeSource == nil) {
			problems = append(problems, fmt.Errorf("additionalVolumes %s: needs one of pvcSpec and volumeSource", volume.Name))
		}
	}
	return errors.Join(problems...)
}

func resourcesProblem(dc *Datacenter) error {
	if !dc.Spec.AllowMultipleNodesPerWorker {
		return nil
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		_, requested := dc.Spec.Resources.Requests[name]
		_, limited := dc.Spec.Resources.Limits[name]
		if !requested || !limited {
			return errors.New("allowMultipleNodesPerWorker needs requests and limits of cpu and memory in spec.resources")
		}
	}
	return nil
}

// siblingProblem: two datacenters of one name in one ring would share names and volumes.
func siblingProblem(dc *Datacenter, seen *Snapshot) error {
	for _, other := range seen.Siblings {
		sameRing := other.Spec.ClusterName == dc.Spec.ClusterName
		if sameRing && other.DatacenterName() == dc.DatacenterName() {
			return fmt.Errorf("datacenter name %s is already used by %s of cluster %s", dc.DatacenterName(), other.Name, dc.Spec.ClusterName)
		}
	}
	return nil
}
