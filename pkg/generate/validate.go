package generate

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/casshook/casshook/pkg/blueprint"
)

// problems collects what is wrong, each with its field.
type problems struct{ found []error }

func (p *problems) add(field, format string, args ...any) {
	p.found = append(p.found, fmt.Errorf("%s: "+format, append([]any{field}, args...)...))
}

// check adds what a check of apimachinery says about a value.
func (p *problems) check(field, value string, check func(string) []string) {
	for _, message := range check(value) {
		p.add(field, "%q: %s", value, message)
	}
}

// each checks a list of names, each of which may stand there once.
func (p *problems) each(field string, values []string, check func(string) []string) {
	for i, value := range values {
		at := fmt.Sprintf("%s[%d]", field, i)
		p.check(at, value, check)
		if slices.Contains(values[:i], value) {
			p.add(at, "%q is listed twice", value)
		}
	}
}

func (p *problems) oneOf(field, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		p.add(field, "%q is not one of %s", value, strings.Join(allowed, ", "))
	}
}

// validate names everything that is wrong at once. What passes can stand in YAML,
// in a template and in a shell script as it is.
func (o *Options) validate() error {
	p := &problems{}
	o.validateNames(p)
	o.validatePolicy(p)
	validateImage(p, o.Image)
	o.validateHooks(p)
	o.PodOverride.validate(p)
	o.Clone.validate(p, o.Namespaces)
	o.Cleaner.validate(p)
	if !invocation.MatchString(o.Invocation) {
		p.add("invocation", "%q cannot be written in a comment: use a plain file name for the config file", o.Invocation)
	}
	return errors.Join(p.found...)
}

// invocation ends no comment of YAML, shell or HTML.
var invocation = regexp.MustCompile(`^[A-Za-z0-9 _.,:/@=+~-]+$`)

func (o *Options) validateNames(p *problems) {
	if len(o.Namespaces) == 0 {
		p.add("namespaces", "at least one is required")
	}
	p.each("namespaces", o.Namespaces, validation.IsDNS1123Label)
	if o.Datacenter != "" {
		p.check("datacenter", o.Datacenter, validation.IsDNS1123Subdomain)
	}
	if o.Strategy != EveryStrategy && !slices.Contains(Strategies(), o.Strategy) {
		p.add("strategy", "%q is neither %s nor %s", o.Strategy, PolicyHooks, ResourceBound)
	}
	p.each("imagePullSecrets", o.ImagePullSecrets, validation.IsDNS1123Subdomain)
	p.check("kastenNamespace", o.KastenNamespace, validation.IsDNS1123Label)
	p.check("serviceAccount", o.ServiceAccount, validation.IsDNS1123Subdomain)
	p.check("profile", o.Profile, validation.IsDNS1123Subdomain)
	if o.RestorePoint != "" {
		p.check("restorePoint", o.RestorePoint, validation.IsDNS1123Subdomain)
	}
	p.check("prefix", o.Prefix, validation.IsDNS1123Label)
	// Kasten writes names of policies into labels.
	if longest := validation.LabelValueMaxLength - len(longestSuffix); len(o.Prefix) > longest {
		p.add("prefix", "%q is longer than %d characters; suffixes such as %s need the rest", o.Prefix, longest, longestSuffix)
	}
}

func (o *Options) validatePolicy(p *problems) {
	p.oneOf("frequency", o.Frequency, blueprint.OnDemand, "@hourly", "@daily", "@weekly", "@monthly", "@yearly")
	if o.Frequency == blueprint.OnDemand && len(o.Retention) > 0 {
		p.add("retention", "not allowed for a policy that runs %s", blueprint.OnDemand)
	}
	for _, tier := range slices.Sorted(maps.Keys(o.Retention)) {
		p.oneOf("retention", tier, "hourly", "daily", "weekly", "monthly", "yearly")
		if o.Retention[tier] < 0 {
			p.add("retention."+tier, "%d is negative", o.Retention[tier])
		}
	}
}

// imageText is the grammar of references that containerd and kubelet read; the
// parser of the library lets more pass (github.com/distribution/reference).
var imageText = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*(:[0-9]{1,5})?/)?` +
	`[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*` +
	`(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@[a-z0-9]+:[0-9a-f]{32,})?$`)

func validateImage(p *problems, image string) {
	reference, err := name.ParseReference(image, name.WithDefaultTag(""))
	switch {
	case !imageText.MatchString(image):
		p.add("image", "%q is not an image name", image)
	case err != nil:
		p.add("image", "%w", err)
	case reference.Identifier() == "":
		p.add("image", "%q has no tag or digest: nodes would keep the image that they pulled first", image)
	}
}

var (
	actionName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,62}$`)
	flagName   = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
	// flagValue has no quotes, no braces of templates and no spaces around.
	flagValue = regexp.MustCompile(`^[A-Za-z0-9_.,:/*?@%+=~-]{0,253}$`)
)

// ownFlags are set by the generator, or mean nothing in a hook's pod.
func ownFlags() []string {
	return []string{"namespace", "datacenter", "output", "inventory", "kubeconfig", "context", "agent", "help", "dry-run", "report", "backup", "image", "image-pull-secret", "yes"}
}

func (o *Options) validateHooks(p *problems) {
	byAction := map[string]string{}
	o.Hooks.each(func(_, field string, hook Hook) {
		at := field + ".action"
		switch other, taken := byAction[hook.Action]; {
		case !actionName.MatchString(hook.Action):
			p.add(at, "%q: use at most 63 letters, digits and dashes, and begin with a letter", hook.Action)
		case slices.Contains(blueprint.Reserved(), hook.Action):
			p.add(at, "%q is a name that Kasten reserves", hook.Action)
		case taken:
			p.add(at, "%q is also the name of %s", hook.Action, other)
		}
		byAction[hook.Action] = field
		for _, flag := range slices.Sorted(maps.Keys(hook.Flags)) {
			validateFlag(p, field+".flags."+flag, flag, hook.Flags[flag])
		}
	})
	validateModes(p, "hooks.beforeRestore.flags", o.Hooks.BeforeRestore.Flags)
}

// validateModes wants one way of before-restore at most, and no half-said one.
func validateModes(p *problems, field string, flags map[string]string) {
	var said []string
	for _, mode := range modes() {
		value, ok := flags[mode]
		if ok && value != "true" {
			p.add(field+"."+mode, "%q: set it to true, or omit it", value)
		}
		if ok {
			said = append(said, mode)
		}
	}
	if len(said) > 1 {
		p.add(field, "%s exclude each other", strings.Join(said, " and "))
	}
}

func validateFlag(p *problems, field, flag, value string) {
	switch {
	case !flagName.MatchString(flag):
		p.add(field, "%q is not a flag name; omit the leading dashes", flag)
	case slices.Contains(ownFlags(), flag):
		p.add(field, "set by the generator, or not usable in a hook pod")
	}
	if !flagValue.MatchString(value) {
		p.add(field, "%q: use at most 253 letters, digits and _.,:/*?@%%+=~-", value)
	}
}

func (o *PodOverride) validate(p *problems) {
	const field = "podOverride"
	validateNodeSelector(p, field+".nodeSelector", o.NodeSelector)
	for i, t := range o.Tolerations {
		validateToleration(p, fmt.Sprintf("%s.tolerations[%d]", field, i), t)
	}
	validateResources(p, field+".resources", o.Resources)
	for _, message := range validation.IsValidUserID(o.RunAsUser) {
		p.add(field+".runAsUser", "%d: %s", o.RunAsUser, message)
	}
}

func validateResources(p *problems, field string, r blueprint.Resources) {
	requests := validateQuantities(p, field+".requests", r.Requests)
	limits := validateQuantities(p, field+".limits", r.Limits)
	for _, key := range slices.Sorted(maps.Keys(requests)) {
		if limit, ok := limits[key]; ok && limit.Cmp(requests[key]) < 0 {
			p.add(field+".limits."+key, "%q is less than the request", r.Limits[key])
		}
	}
}

func validateNodeSelector(p *problems, field string, selector map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(selector)) {
		if len(validation.IsQualifiedName(key)) > 0 {
			p.check(field, key, validation.IsQualifiedName)
			continue
		}
		p.check(field+"."+key, selector[key], validation.IsValidLabelValue)
	}
}

func validateToleration(p *problems, field string, t blueprint.Toleration) {
	p.oneOf(field+".operator", t.Operator, "", "Equal", "Exists")
	p.oneOf(field+".effect", t.Effect, "", "NoSchedule", "PreferNoSchedule", "NoExecute")
	if t.Key != "" {
		p.check(field+".key", t.Key, validation.IsQualifiedName)
	} else if t.Operator != "Exists" {
		p.add(field+".key", "required unless the operator is Exists")
	}
	p.check(field+".value", t.Value, validation.IsValidLabelValue)
	if t.Operator == "Exists" && t.Value != "" {
		p.add(field+".value", "not allowed with the operator Exists")
	}
	if t.Seconds != nil && t.Effect != "NoExecute" {
		p.add(field+".tolerationSeconds", "only allowed with the effect NoExecute")
	}
}

func validateQuantities(p *problems, field string, quantities map[string]string) map[string]resource.Quantity {
	parsed := map[string]resource.Quantity{}
	for _, key := range slices.Sorted(maps.Keys(quantities)) {
		p.oneOf(field, key, "cpu", "memory", "ephemeral-storage")
		q, err := resource.ParseQuantity(quantities[key])
		switch {
		case err != nil:
			p.add(field+"."+key, "%q: %w", quantities[key], err)
		case q.Sign() < 0:
			p.add(field+"."+key, "%q is negative", quantities[key])
		default:
			parsed[key] = q
		}
	}
	return parsed
}
