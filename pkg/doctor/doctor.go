// Package doctor says, before the first backup, what will go wrong and how to mend
// it. It is pure: facts about a cluster in, findings out. pkg/kube reads the facts;
// what could not be read is a fact too, and never makes a check succeed.
//
// What Kasten does with the objects is as docs.kasten.io tells ("Blueprint
// Bindings", "Kanister Execution Hooks", "Resource Filtering", API reference) and
// as README files of public blueprints measured it.
package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity of a finding.
type Severity string

// Severities, the gravest first. Only an Error says that something will fail.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	// Unknown is a check that could not be made; it says why.
	Unknown Severity = "unknown"
	OK      Severity = "ok"
)

func severities() []Severity { return []Severity{Error, Warning, Unknown, OK} }

// Finding is one result of a check. Every check has at least one, unless there is
// nothing that it could look at.
type Finding struct {
	// Check is the check's name, which does not change between releases.
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`
	// About is the object, as "Kind namespace/name".
	About string `json:"about"`
	What  string `json:"what"`
	// Remedy is what a person can do; empty where all is well.
	Remedy string `json:"remedy,omitempty"`
}

// Diagnosis is all that was found, the gravest first.
type Diagnosis struct {
	Namespace       string    `json:"namespace"`
	KastenNamespace string    `json:"kastenNamespace"`
	Errors          int       `json:"errors"`
	Warnings        int       `json:"warnings"`
	Unknown         int       `json:"unknown"`
	Findings        []Finding `json:"findings"`
}

// Failing are the names of the checks with errors, each once.
func (d *Diagnosis) Failing() []string {
	var names []string
	for _, f := range d.Findings {
		if f.Severity == Error && !slices.Contains(names, f.Check) {
			names = append(names, f.Check)
		}
	}
	return names
}

// check is one question. It reports what is not well; if nothing, it is fine.
type check struct {
	name string
	// fine is said when the check found nothing.
	fine string
	// needs are the facts without which it cannot be made. Where one is of a kind
	// that the cluster does not have, there is nothing to look at.
	needs []source
	run   func(*exam)
}

// checks are all, in the order in which findings of one severity are told.
func checks() []check {
	return []check{
		{"kasten", "Kasten and Kanister are installed", nil, (*exam).kasten},
		{"datacenter", "CassandraDatacenters exist and can be read", nil, (*exam).datacenter},
		{"ready", "all datacenters are Ready and all nodes are up", []source{datacenters}, (*exam).ready},
		{"version", "the versions of Cassandra are supported", []source{datacenters}, (*exam).version},
		{"operator", "", []source{operators}, (*exam).operator},
		{"owner", "no K8ssandraCluster manages the datacenters", []source{datacenters}, (*exam).owner},
		{"ring", "backups include whole rings, as far as this namespace shows", []source{datacenters}, (*exam).ring},
		{"elsewhere", "no other namespace has datacenters of these clusters", []source{datacenters, everywhere}, (*exam).elsewhere},
		{"superuser", "superuser secrets have both keys", []source{datacenters}, (*exam).superuser},
		{"features", "the configuration enables every feature that a schema may need", []source{datacenters}, (*exam).features},
		{"disk-failure", "Cassandra does not go on after a disk failed, as far as it is configured", []source{datacenters}, (*exam).diskFailure},
		{"claims", "all volume claims are bound", []source{datacenters, claims}, (*exam).claims},
		{"volumes", "all data is on the server-data volumes", []source{datacenters, nodes}, (*exam).volumes},
		{"snapshots", "all volumes can be snapshotted", []source{datacenters, claims, storageClasses}, (*exam).snapshots},
		{"disk", "", []source{datacenters}, (*exam).disk},
		{"binding", "each datacenter has at most one BlueprintBinding", []source{datacenters, bindings, blueprints}, (*exam).binding},
		{"blueprint", "Kasten's built-in Blueprint does not run", []source{datacenters, workloads, bindings, blueprints, policies, protected}, (*exam).blueprint},
		{"policy", "a policy backs up the namespace", []source{policies}, (*exam).policy},
		{"filter", "the policies include or exclude StatefulSets as their hooks require", []source{datacenters, workloads, bindings, blueprints, policies, protected}, (*exam).filter},
		{"hooks", "before-backup runs once and after-backup follows it", []source{datacenters, workloads, bindings, blueprints, policies, protected}, (*exam).hooks},
		{"on-failure", "the policies clean up after a failure", []source{blueprints, policies, protected}, (*exam).onFailure},
		{"profile", "the policies have a location profile if a hook needs one", []source{datacenters, workloads, bindings, blueprints, policies, protected, profiles}, (*exam).profile},
		{"account", "the service account of the hook pods exists, and no Blueprint in use names another", []source{installed, account}, (*exam).account},
		{"rbac", "the service account has all permissions of the hooks", []source{installed, access}, (*exam).rbac},
		{"image", "", []source{named}, (*exam).image},
		{"pull-secret", "all pull secrets exist", []source{installed, account}, (*exam).pullSecret},
		{"architecture", "casshook supports the machines' architectures", []source{machines}, (*exam).architecture},
		{"timeout", "the time limit for hooks covers the start of Cassandra", []source{datacenters}, (*exam).timeout},
	}
}

// Checks are the names of all checks.
func Checks() []string {
	var names []string
	for _, c := range checks() {
		names = append(names, c.name)
	}
	return names
}

// exam is one run of all checks.
type exam struct {
	*Facts
	// chosen are the datacenters in question: all of the namespace, or the one
	// that was asked for.
	chosen []Datacenter
	found  []Finding
	name   string
}

// Examine runs all checks, however many of them fail.
func Examine(facts *Facts) *Diagnosis {
	e := &exam{Facts: facts}
	for _, d := range facts.Datacenters.Items {
		if facts.Datacenter == "" || facts.Datacenter == d.Name {
			e.chosen = append(e.chosen, d)
		}
	}
	for _, c := range checks() {
		e.make(c)
	}
	return e.diagnosis()
}

func (e *exam) make(c check) {
	e.name = c.name
	before := len(e.found)
	var missing []string
	for _, need := range c.needs {
		unread, nothing := need(e)
		if nothing {
			return
		}
		if unread != "" && !slices.Contains(missing, unread) {
			missing = append(missing, unread)
		}
	}
	if len(missing) > 0 {
		e.unknown(e.inNamespace(), strings.Join(missing, "; "), askForPermission)
		return
	}
	c.run(e)
	if len(e.found) == before && c.fine != "" {
		e.ok(e.inNamespace(), c.fine)
	}
}

// NotLoggedIn is why nothing could be read where the credentials are not accepted.
const NotLoggedIn = "the API server does not accept the credentials, which may have expired"

// Blind says why nothing that matters could be checked, and what to do; it is empty where
// the datacenters were read.
func (f *Facts) Blind() string {
	switch why := f.Datacenters.Unread; why {
	case "":
		return ""
	case NotLoggedIn:
		return why + ": " + logIn
	default:
		return why + ": " + askForPermission
	}
}

const (
	askForPermission = "get this permission, or run casshook doctor as a user who has it"
	logIn            = "log in again"
)

func (e *exam) inNamespace() string { return "Namespace " + e.Namespace }

func (e *exam) say(s Severity, about, what, remedy string) {
	e.found = append(e.found, Finding{Check: e.name, Severity: s, About: about, What: what, Remedy: remedy})
}

func (e *exam) fail(about, what, remedy string) { e.say(Error, about, what, remedy) }
func (e *exam) warn(about, what, remedy string) { e.say(Warning, about, what, remedy) }
func (e *exam) ok(about, what string)           { e.say(OK, about, what, "") }
func (e *exam) unknown(about, what, remedy string) {
	if strings.Contains(what, NotLoggedIn) {
		remedy = logIn
	}
	e.say(Unknown, about, what, remedy)
}

func (e *exam) diagnosis() *Diagnosis {
	slices.SortStableFunc(e.found, func(a, b Finding) int {
		return cmp.Compare(slices.Index(severities(), a.Severity), slices.Index(severities(), b.Severity))
	})
	d := &Diagnosis{Namespace: e.Namespace, KastenNamespace: e.KastenNamespace, Findings: e.found}
	for _, f := range e.found {
		switch f.Severity {
		case Error:
			d.Errors++
		case Warning:
			d.Warnings++
		case Unknown:
			d.Unknown++
		}
	}
	return d
}

// split makes what and remedy of a sentence "what: remedy".
func split(sentence string) (what, remedy string) {
	if i := strings.LastIndex(sentence, ": "); i > 0 {
		return sentence[:i], sentence[i+2:]
	}
	return sentence, ""
}

func about(kind, namespace, name string) string {
	return fmt.Sprintf("%s %s/%s", kind, namespace, name)
}
