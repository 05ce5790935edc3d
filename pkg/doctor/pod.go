package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// tasksUnread says why it is not known which hook pods will run; what depends on
// them is not known either.
func (e *exam) tasksUnread() string {
	var found []string
	for _, need := range []source{datacenters, bindings, blueprints, policies} {
		if unread, _ := need(e); unread != "" {
			found = append(found, unread)
		}
	}
	return strings.Join(found, "; ")
}

// unreadTasks reports it, and tells whether there was anything.
func (e *exam) unreadTasks() bool {
	unread := e.tasksUnread()
	if unread != "" {
		e.unknown(e.inNamespace(), "cannot read the Blueprints of the hook pods: "+unread, askForPermission)
	}
	return unread != ""
}

func (e *exam) account() {
	at := about("ServiceAccount", e.KastenNamespace, e.ServiceAccount)
	if len(e.Account.Items) == 0 {
		e.fail(at, "it does not exist: hook pods cannot be created", "create it with casshook generate rbac, or pass --service-account")
	}
	if e.unreadTasks() {
		return
	}
	others := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(e.tasks())) {
		for _, t := range e.tasks()[name] {
			if as := t.PodOverride.ServiceAccountName; as != e.ServiceAccount && !others[name+" "+as] {
				others[name+" "+as] = true
				e.otherAccount(about("Blueprint", e.KastenNamespace, name), as)
			}
		}
	}
}

func (e *exam) otherAccount(at, account string) {
	if account == "" {
		e.warn(at, "it has no service account: its pods run with Kasten's own, which may do everything", "use the Blueprint from casshook generate")
		return
	}
	e.warn(at, fmt.Sprintf("its pods run as service account %s, but %s was checked", account, e.ServiceAccount), "run doctor with --service-account "+account)
}

func (e *exam) rbac() {
	at := about("ServiceAccount", e.KastenNamespace, e.ServiceAccount)
	for _, a := range e.Access.Items {
		if len(a.Denied) > 0 {
			e.fail(at, fmt.Sprintf("it may not %s %s in namespace %s; hooks need this to %s", strings.Join(a.Denied, ", "), a.Resource, e.Namespace, a.Why),
				"create the role with casshook generate rbac")
		}
	}
}

// images to look at: that of the flag, or those of the Blueprints.
func (e *exam) images() []string {
	if e.Image != "" {
		return []string{e.Image}
	}
	var found []string
	for _, tasks := range e.tasks() {
		for _, t := range tasks {
			if t.Image != "" {
				found = append(found, t.Image)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// image can be pulled or not: only a pod shows it, unless a machine has it.
func (e *exam) image() {
	images := e.images()
	if !e.unreadTasks() && len(images) == 0 {
		e.unknown(e.inNamespace(), "no casshook Blueprint is in use, so the image is unknown", "pass --image, or apply the output of casshook generate")
	}
	for _, image := range images {
		host, _, _ := strings.Cut(image, "/")
		has := 0
		for _, m := range e.Machines.Items {
			if slices.Contains(m.Images, image) {
				has++
			}
		}
		switch {
		case host == "example.com" || strings.HasSuffix(host, ".example.com"):
			e.fail("Image "+image, "it is a placeholder", "push the image to a registry and pass its name to casshook generate --image")
		case has > 0:
			e.ok("Image "+image, fmt.Sprintf("%d of %d machines have it", has, len(e.Machines.Items)))
		default:
			e.unknown("Image "+image, "no machine is known to have it, and pulling it was not tried",
				fmt.Sprintf("kubectl run casshook-try -n %s --rm -i --restart=Never --image %s --command -- /casshook/casshook version", e.KastenNamespace, image))
		}
	}
	e.sameImage()
}

// sameImage compares the flag with the Blueprints.
func (e *exam) sameImage() {
	for _, name := range slices.Sorted(maps.Keys(e.tasks())) {
		for _, t := range e.tasks()[name] {
			if e.Image != "" && t.Image != e.Image {
				e.warn(about("Blueprint", e.KastenNamespace, name), fmt.Sprintf("its image is %s, but %s was checked", t.Image, e.Image), "omit --image, or generate the Blueprint again")
				break
			}
		}
	}
}

// dockerTypes are those of secrets that images are pulled with.
func dockerTypes() []string {
	return []string{"kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"}
}

func (e *exam) pullSecret() {
	if e.Blueprints.Unread != "" {
		e.unknown(e.inNamespace(), "cannot read the pull secrets of the hook pods: "+e.Blueprints.Unread, askForPermission)
	}
	for _, name := range slices.Sorted(maps.Keys(e.PullSecrets)) {
		secret, at := e.PullSecrets[name], about("Secret", e.KastenNamespace, name)
		switch {
		case secret.Unread != "":
			e.unknown(at, secret.Unread, askForPermission)
		case secret.Absent || len(secret.Items) == 0:
			e.fail(at, "hook pods use it to pull their image, but it does not exist", "create it in namespace "+e.KastenNamespace)
		case !slices.Contains(dockerTypes(), secret.Items[0]):
			e.fail(at, fmt.Sprintf("hook pods use it to pull their image, but its type is %s", secret.Items[0]), "create it with kubectl create secret docker-registry")
		}
	}
}

// architectures that casshook is built for.
func architectures() []string { return []string{"amd64", "arm64"} }

func (m *Machine) fits() bool {
	return (m.System == "" || m.System == "linux") && slices.Contains(architectures(), m.Architecture)
}

// architecture looks at where Cassandra runs, which is where the agent runs, and at
// where a hook pod may.
func (e *exam) architecture() {
	used := map[string]bool{}
	for _, n := range e.Nodes.Items {
		used[n.Machine] = true
	}
	for _, m := range e.Machines.Items {
		if m.fits() {
			continue
		}
		what := fmt.Sprintf("it is %s/%s, but casshook is built for linux on %s only", cmp.Or(m.System, "linux"), m.Architecture, strings.Join(architectures(), " and "))
		switch {
		case used[m.Name]:
			e.fail("Node "+m.Name, what+": Cassandra runs there, but the agent cannot", "move Cassandra to other machines")
		case m.Closed || !e.mayTake(m):
		case e.tasksUnread() != "":
			e.unknown("Node "+m.Name, what+"; cannot tell whether a hook pod may run there: "+e.tasksUnread(), askForPermission)
		default:
			e.fail("Node "+m.Name, what+": a hook pod may be scheduled there", "set podOverride.nodeSelector to kubernetes.io/arch: amd64 or arm64 in the config file of casshook generate")
		}
	}
}

// mayTake tells whether a hook pod's node selector allows a machine.
func (e *exam) mayTake(m Machine) bool {
	all := e.tasks()
	for _, tasks := range all {
		for _, t := range tasks {
			if selected(t.PodOverride.NodeSelector, m.Labels) {
				return true
			}
		}
	}
	_, without := installed(e)
	return len(all) == 0 && !without
}

func selected(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return true
}

// Times, as measured with cass-operator 1.32 and three nodes, which start one after
// the other: Ready after 274 s.
const (
	startTime = 90 * time.Second
	// workTime is what is left for the restore itself.
	workTime = 5 * time.Minute
	// defaultTimeout is Kasten's timeout.blueprintHooks.
	defaultTimeout = 20 * time.Minute
)

func (e *exam) limit() time.Duration {
	if e.HookTimeout > 0 {
		return e.HookTimeout
	}
	for _, t := range e.Timeouts.Items {
		return t
	}
	return defaultTimeout
}

// timeout compares with the start of a restored ring: its datacenters start one
// after the other, too.
func (e *exam) timeout() {
	limit, size := e.limit(), map[string]int64{}
	for _, d := range e.chosen {
		size[d.Cluster] += d.Size
	}
	e.unreadTasks()
	for _, cluster := range slices.Sorted(maps.Keys(size)) {
		needed := time.Duration(size[cluster]) * startTime
		at := fmt.Sprintf("Ring %q", cluster)
		what := fmt.Sprintf("the %d nodes of a restored ring take about %s to start, one after the other; Kasten ends a hook after %s", size[cluster], brief(needed), brief(limit))
		remedy := fmt.Sprintf("set Helm's timeout.blueprintHooks (from 9.0 on timeout.blueprintResourceHooks) to %d or more", int((needed+workTime).Minutes()+1))
		switch {
		case needed >= limit:
			e.fail(at, what, remedy)
		case needed+workTime > limit:
			e.warn(at, what+": that leaves little time for the restore itself", remedy)
		}
		e.readyTimeouts(at, needed, limit)
	}
}

// readyTimeouts looks at what after-restore waits for at most.
func (e *exam) readyTimeouts(at string, needed, limit time.Duration) {
	tasks := e.tasks()
	for _, name := range slices.Sorted(maps.Keys(tasks)) {
		for _, t := range tasks[name] {
			wait := t.readyTimeout()
			switch {
			case !t.runs(afterRestore) || wait == 0:
			case wait < needed:
				e.fail(at, fmt.Sprintf("its nodes take about %s to start, but after-restore of the Blueprint %s waits %s (--ready-timeout)", brief(needed), name, brief(wait)),
					fmt.Sprintf("set hooks.afterRestore.flags.ready-timeout to %s in the config file of casshook generate", brief(needed+time.Minute)))
			case wait >= limit:
				e.warn(at, fmt.Sprintf("after-restore of the Blueprint %s waits up to %s (--ready-timeout), but Kasten ends it after %s, before it can report the cause", name, brief(wait), brief(limit)),
					"lower hooks.afterRestore.flags.ready-timeout in the config file of casshook generate")
			}
		}
	}
}

// readyTimeout is the flag's value, zero where it is not given.
func (t task) readyTimeout() time.Duration {
	for _, part := range t.Command {
		if value, ok := strings.CutPrefix(part, "--ready-timeout="); ok {
			if d, err := time.ParseDuration(value); err == nil {
				return d
			}
		}
	}
	return 0
}

// brief is a duration without what is zero at its end.
func brief(d time.Duration) string {
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
