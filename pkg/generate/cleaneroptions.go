package generate

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/casshook/casshook/pkg/blueprint"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// Cleaner is about the Jobs that put a backup in place on the volumes of nodes whose
// Cassandra does not run: one for each claim, in every protected namespace.
type Cleaner struct {
	// Claims of the data volumes, one of every node; at least one.
	Claims []string `json:"claims"`
	// Zones that the pod of a claim may be put in, by claim: for claims that are bound
	// where their first pod is.
	Zones map[string][]string `json:"zones,omitempty"`
	// MountPath is where Cassandra's container has the data volume.
	MountPath string `json:"mountPath"`
	// DataDirectories in Cassandra's order; data of the volume when empty.
	DataDirectories []string  `json:"dataDirectories,omitempty"`
	CommitLog       CommitLog `json:"commitLog,omitzero"`
	// Backup is its id; the newest complete one of each volume when empty.
	Backup string `json:"backup,omitempty"`
	// InPlace goes back on the volumes that the backup was made on; else whoever
	// applies the Jobs vouches that the volumes came back from a restore point.
	InPlace bool `json:"inPlace,omitempty"`
	// Again cleans volumes that the backup was restored on before.
	Again bool `json:"again,omitempty"`
	// Peers are kept or forgotten.
	Peers string `json:"peers"`
	// ImagePullSecrets are names of secrets in the datacenters' namespace.
	// after-restore makes its Jobs with them, too.
	ImagePullSecrets []string `json:"imagePullSecrets,omitempty"`
	// ServiceAccount in the datacenters' namespace; default when empty.
	ServiceAccount  string                 `json:"serviceAccount,omitempty"`
	SecurityContext SecurityContext        `json:"securityContext"`
	NodeSelector    map[string]string      `json:"nodeSelector,omitempty"`
	Tolerations     []blueprint.Toleration `json:"tolerations,omitempty"`
	Resources       blueprint.Resources    `json:"resources,omitzero"`
}

// CommitLog is for commit logs on a volume of their own.
type CommitLog struct {
	// Volume is its name among the additionalVolumes of the datacenter. Its claims are
	// called like those of the data volumes, which must begin with server-data-.
	Volume string `json:"volume,omitempty"`
	// MountPath is where Cassandra's container has it.
	MountPath string `json:"mountPath,omitempty"`
	// Directory of the commit log; the mount path when empty.
	Directory string `json:"directory,omitempty"`
}

// SecurityContext is whom Cassandra runs as.
type SecurityContext struct {
	RunAsUser  int64 `json:"runAsUser"`
	RunAsGroup int64 `json:"runAsGroup"`
	FSGroup    int64 `json:"fsGroup"`
}

// What becomes of the knowledge of other nodes.
const (
	keepPeers   = "keep"
	forgetPeers = "forget"
)

// dataClaim begins the names of cass-operator's claims of data volumes
// (pkg/reconciliation/constants.go of github.com/k8ssandra/cass-operator).
const dataClaim = "server-data-"

// defaultCleaner is for a datacenter dc1 of the cluster shop with a node in each of
// three racks. 999 is whom cass-operator runs Cassandra as.
func defaultCleaner() Cleaner {
	return Cleaner{
		Claims:          []string{dataClaim + "shop-dc1-r1-sts-0", dataClaim + "shop-dc1-r2-sts-0", dataClaim + "shop-dc1-r3-sts-0"},
		MountPath:       "/var/lib/cassandra",
		Peers:           keepPeers,
		SecurityContext: SecurityContext{999, 999, 999},
		Resources:       resourcesOf(objects.CleanerResources()),
	}
}

// directory is an absolute path without surprises.
var directory = regexp.MustCompile(`^(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+$`)

func (c *Cleaner) validate(p *problems) {
	const field = "cleaner"
	if len(c.Claims) == 0 {
		p.add(field+".claims", "required: list the claims of all data volumes")
	}
	p.each(field+".claims", c.Claims, validation.IsDNS1123Subdomain)
	c.validateZones(p, field+".zones")
	c.validatePaths(p, field)
	if c.Backup != "" && !document.ValidID(c.Backup) {
		p.add(field+".backup", "%q is not a backup id (casshook-<time>-<four hexadecimal digits>)", c.Backup)
	}
	p.oneOf(field+".peers", c.Peers, keepPeers, forgetPeers)
	p.each(field+".imagePullSecrets", c.ImagePullSecrets, validation.IsDNS1123Subdomain)
	if c.ServiceAccount != "" {
		p.check(field+".serviceAccount", c.ServiceAccount, validation.IsDNS1123Subdomain)
	}
	for name, id := range map[string]int64{"runAsUser": c.SecurityContext.RunAsUser, "runAsGroup": c.SecurityContext.RunAsGroup, "fsGroup": c.SecurityContext.FSGroup} {
		for _, message := range validation.IsValidUserID(id) {
			p.add(field+".securityContext."+name, "%d: %s", id, message)
		}
	}
	validateResources(p, field+".resources", c.Resources)
	validateNodeSelector(p, field+".nodeSelector", c.NodeSelector)
	for i, t := range c.Tolerations {
		validateToleration(p, fmt.Sprintf("%s.tolerations[%d]", field, i), t)
	}
}

func (c *Cleaner) validateZones(p *problems, field string) {
	for _, claim := range slices.Sorted(maps.Keys(c.Zones)) {
		if !slices.Contains(c.Claims, claim) {
			p.add(field, "%q is not one of the claims", claim)
			continue
		}
		if len(validation.IsDNS1123Subdomain(claim)) > 0 {
			continue // said of the claims
		}
		if len(c.Zones[claim]) == 0 {
			p.add(field+"."+claim, "empty: omit it, or list a zone")
		}
		p.each(field+"."+claim, c.Zones[claim], func(zone string) []string {
			if zone == "" {
				return []string{"must not be empty"}
			}
			return validation.IsValidLabelValue(zone)
		})
	}
}

func (c *Cleaner) validatePaths(p *problems, field string) {
	check := func(field, value string, below string) {
		switch {
		case !directory.MatchString(value) || path.Clean(value) != value || len(value) > 1000:
			p.add(field, "%q is not a plain absolute path", value)
		case below != "" && !within(value, below):
			p.add(field, "%q is not below %s", value, below)
		}
	}
	check(field+".mountPath", c.MountPath, "")
	for i, dir := range c.DataDirectories {
		check(fmt.Sprintf("%s.dataDirectories[%d]", field, i), dir, c.MountPath)
	}
	log := c.CommitLog
	if log == (CommitLog{}) {
		return
	}
	field += ".commitLog"
	p.check(field+".volume", log.Volume, validation.IsDNS1123Label)
	check(field+".mountPath", log.MountPath, "")
	if within(c.MountPath, log.MountPath) {
		p.add(field+".mountPath", "%q would hide the data volume", log.MountPath)
	}
	if log.Directory != "" {
		check(field+".directory", log.Directory, log.MountPath)
	}
	for _, claim := range c.Claims {
		if !strings.HasPrefix(claim, dataClaim) {
			p.add(field+".volume", "%q does not begin with %s, so the claim of its commit log is unknown", claim, dataClaim)
			continue
		}
		p.check(field+".volume", c.commitLogClaim(claim), validation.IsDNS1123Subdomain)
	}
}

// within tells whether a path is a directory or below it.
func within(dir, top string) bool { return dir == top || strings.HasPrefix(dir, top+"/") }

// commitLogClaim is the claim of the commit log beside that of a data volume.
func (c *Cleaner) commitLogClaim(claim string) string {
	return c.CommitLog.Volume + "-" + strings.TrimPrefix(claim, dataClaim)
}
