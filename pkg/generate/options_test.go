package generate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/blueprint"
)

// everything are options with every field set, to words that YAML 1.1 reads as
// something else where that is a valid name.
func everything() Options {
	seconds := int64(300)
	o := Default()
	o.Namespaces = []string{"on", "no-1", "1"}
	o.Datacenter = "y"
	o.Image = "host.example:5000/a/b__c:1.0@sha256:" + strings.Repeat("0", 64)
	o.ImagePullSecrets = []string{"null", "1e3"}
	o.KastenNamespace = "true"
	o.ServiceAccount = "off"
	o.Prefix = "0x1"
	o.Profile = "no"
	o.Frequency = "@hourly"
	o.Retention = map[string]int{"hourly": 24, "yearly": 0}
	o.RestorePoint = "12.5"
	o.Hooks.BeforeBackup = Hook{"Y", map[string]string{"min-free": "0.1", "ready-timeout": "1m"}}
	o.Hooks.AfterRestore.Flags = map[string]string{"include": "ks.t*,other.?", "full": ""}
	o.Hooks.BeforeRestore = Hook{"N", map[string]string{"delete": "true"}}
	o.Restore = Restore{StopFirst: true}
	o.Clone.Namespace = "off"
	o.Cleaner = Cleaner{
		Claims: []string{"server-data-y", "server-data-1.5"}, Zones: map[string][]string{"server-data-y": {"no", "1"}},
		MountPath: "/y", DataDirectories: []string{"/y/1", "/y/no"}, CommitLog: CommitLog{"on", "/1", "/1/no"},
		Backup: "casshook-20261121T101530Z-4f2a", InPlace: true, Again: true, Peers: "forget",
		ImagePullSecrets: []string{"yes"}, ServiceAccount: "no", SecurityContext: SecurityContext{0, 1, 2},
		NodeSelector: map[string]string{"y": "off"}, Tolerations: []blueprint.Toleration{{Key: "n", Operator: "Equal", Value: "on", Effect: "NoExecute", Seconds: &seconds}},
	}
	o.PodOverride = PodOverride{
		NodeSelector: map[string]string{"example.com/no": "yes", "on": "", "a": "1"},
		Tolerations: []blueprint.Toleration{
			{Operator: "Exists"},
			{Key: "n", Operator: "Equal", Value: "off", Effect: "NoExecute", Seconds: &seconds},
		},
		Resources: blueprint.Resources{
			Requests: map[string]string{"cpu": "1", "memory": "1Gi"},
			Limits:   map[string]string{"cpu": "1e3", "memory": "1Gi", "ephemeral-storage": "0"},
		},
	}
	o.Invocation = "casshook generate all --config=x.yaml"
	return o
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("a", n) }
	digest := "a@sha256:" + strings.Repeat("0", 64)
	one := int64(1)
	for name, c := range map[string]struct {
		change func(*Options)
		// err is "" where the options are good.
		err string
	}{
		"no namespace":             {func(o *Options) { o.Namespaces = nil }, "namespaces: at least one is required"},
		"namespace of 63":          {func(o *Options) { o.Namespaces = []string{long(63)} }, ""},
		"namespace of 64":          {func(o *Options) { o.Namespaces = []string{long(64)} }, "namespaces[0]: "},
		"namespace twice":          {func(o *Options) { o.Namespaces = []string{"a", "b", "a"} }, `namespaces[2]: "a" is listed twice`},
		"namespace with dot":       {func(o *Options) { o.Namespaces = []string{"a", "b.c"} }, `namespaces[1]: "b.c"`},
		"upper case":               {func(o *Options) { o.Namespaces = []string{"A"} }, `namespaces[0]: "A"`},
		"empty namespace":          {func(o *Options) { o.Namespaces = []string{""} }, `namespaces[0]: ""`},
		"line break":               {func(o *Options) { o.Namespaces = []string{"a\nb: c"} }, "namespaces[0]: "},
		"template":                 {func(o *Options) { o.Namespaces = []string{"{{ .x }}"} }, "namespaces[0]: "},
		"datacenter of 253":        {func(o *Options) { o.Datacenter = long(253) }, ""},
		"datacenter of 254":        {func(o *Options) { o.Datacenter = long(254) }, "datacenter: "},
		"datacenter with quotes":   {func(o *Options) { o.Datacenter = `dc"1` }, "datacenter: "},
		"strategy":                 {func(o *Options) { o.Strategy = "both" }, `strategy: "both" is neither policy-hooks nor resource-bound`},
		"no image":                 {func(o *Options) { o.Image = "" }, "image: "},
		"image without tag":        {func(o *Options) { o.Image = "host/a" }, "image: \"host/a\" has no tag"},
		"image with port, no tag":  {func(o *Options) { o.Image = "host:5000/a" }, "has no tag"},
		"image in upper case":      {func(o *Options) { o.Image = "host/A:1" }, "image: "},
		"image with template":      {func(o *Options) { o.Image = "{{x}}/a:1" }, "image: "},
		"image in brackets":        {func(o *Options) { o.Image = "[::1]/a:1" }, "image: "},
		"image, tag of a dash":     {func(o *Options) { o.Image = "a:-1" }, "image: "},
		"image with empty part":    {func(o *Options) { o.Image = "host.x/a//b:1" }, "image: "},
		"image with a tag":         {func(o *Options) { o.Image = "a:latest" }, ""},
		"image with a digest":      {func(o *Options) { o.Image = digest }, ""},
		"short digest":             {func(o *Options) { o.Image = digest[:len(digest)-1] }, "image: "},
		"tag of 128":               {func(o *Options) { o.Image = "a:" + long(128) }, ""},
		"tag of 129":               {func(o *Options) { o.Image = "a:" + long(129) }, "image: "},
		"name of 256":              {func(o *Options) { o.Image = long(256) + ":1" }, "image: "},
		"pull secret":              {func(o *Options) { o.ImagePullSecrets = []string{"a", "B"} }, `imagePullSecrets[1]: "B"`},
		"Kasten's namespace":       {func(o *Options) { o.KastenNamespace = "k." }, "kastenNamespace: "},
		"service account":          {func(o *Options) { o.ServiceAccount = "a b" }, "serviceAccount: "},
		"no profile":               {func(o *Options) { o.Profile = "" }, "profile: "},
		"prefix of 48":             {func(o *Options) { o.Prefix = long(48) }, ""},
		"prefix of 49":             {func(o *Options) { o.Prefix = long(49) }, "prefix: "},
		"prefix with dot":          {func(o *Options) { o.Prefix = "a.b" }, "prefix: "},
		"frequency":                {func(o *Options) { o.Frequency = "daily" }, `frequency: "daily" is not one of @onDemand`},
		"retention on demand":      {func(o *Options) { o.Retention = map[string]int{"daily": 1} }, "retention: not allowed for a policy that runs @onDemand"},
		"retention by the minute":  {func(o *Options) { o.Frequency, o.Retention = "@daily", map[string]int{"minutely": 1} }, `retention: "minutely"`},
		"negative retention":       {func(o *Options) { o.Frequency, o.Retention = "@daily", map[string]int{"daily": -1} }, "retention.daily: -1"},
		"restore point":            {func(o *Options) { o.RestorePoint = "A" }, "restorePoint: "},
		"no action":                {func(o *Options) { o.Hooks.OnFailure.Action = "" }, "hooks.onFailure.action: "},
		"reserved action":          {func(o *Options) { o.Hooks.OnFailure.Action = "backup" }, `hooks.onFailure.action: "backup" is a name that Kasten reserves`},
		"action twice":             {func(o *Options) { o.Hooks.OnFailure.Action = "after-backup" }, "is also the name of hooks.afterBackup"},
		"flag with dashes":         {func(o *Options) { o.Hooks.OnFailure.Flags = map[string]string{"--a": "b"} }, "omit the leading dashes"},
		"flag of the generator":    {func(o *Options) { o.Hooks.OnFailure.Flags = map[string]string{"namespace": "b"} }, "hooks.onFailure.flags.namespace: set by"},
		"flag with template":       {func(o *Options) { o.Hooks.OnFailure.Flags = map[string]string{"a": "{{ .x }}"} }, "hooks.onFailure.flags.a: "},
		"flag with variable":       {func(o *Options) { o.Hooks.OnFailure.Flags = map[string]string{"a": "$(HOME)"} }, "hooks.onFailure.flags.a: "},
		"node selector key":        {func(o *Options) { o.PodOverride.NodeSelector = map[string]string{"{{x}}": "a"} }, "podOverride.nodeSelector: "},
		"node selector value":      {func(o *Options) { o.PodOverride.NodeSelector = map[string]string{"x": "a b"} }, "podOverride.nodeSelector.x: "},
		"toleration":               {func(o *Options) { o.PodOverride.Tolerations = []blueprint.Toleration{{Operator: "In", Key: "a"}} }, `podOverride.tolerations[0].operator: "In"`},
		"toleration without key":   {func(o *Options) { o.PodOverride.Tolerations = []blueprint.Toleration{{Value: "a"}} }, "podOverride.tolerations[0].key: "},
		"toleration with value":    {func(o *Options) { o.PodOverride.Tolerations = []blueprint.Toleration{{Operator: "Exists", Value: "a"}} }, "podOverride.tolerations[0].value: "},
		"toleration effect":        {func(o *Options) { o.PodOverride.Tolerations = []blueprint.Toleration{{Key: "a", Effect: "Never"}} }, "podOverride.tolerations[0].effect: "},
		"toleration value":         {func(o *Options) { o.PodOverride.Tolerations = []blueprint.Toleration{{Key: "a", Value: "{{x}}"}} }, "podOverride.tolerations[0].value: "},
		"toleration for some time": {func(o *Options) { o.PodOverride.Tolerations = []blueprint.Toleration{{Key: "a", Seconds: &one}} }, "tolerationSeconds: only"},
		"resource":                 {func(o *Options) { o.PodOverride.Resources.Requests = map[string]string{"gpu": "1"} }, `podOverride.resources.requests: "gpu"`},
		"quantity":                 {func(o *Options) { o.PodOverride.Resources.Requests = map[string]string{"cpu": "much"} }, `podOverride.resources.requests.cpu: "much"`},
		"negative quantity":        {func(o *Options) { o.PodOverride.Resources.Limits = map[string]string{"cpu": "-1"} }, "podOverride.resources.limits.cpu: "},
		"limit below request":      {func(o *Options) { o.PodOverride.Resources.Limits = map[string]string{"memory": "1Mi"} }, `podOverride.resources.limits.memory: "1Mi" is less`},
		"invocation":               {func(o *Options) { o.Invocation = "a\nb" }, "invocation: "},
		"invocation ends comments": {func(o *Options) { o.Invocation = "a -->" }, "invocation: "},
		"two modes":                {func(o *Options) { o.Hooks.BeforeRestore.Flags = map[string]string{"stop": "true", "delete": "true"} }, "hooks.beforeRestore.flags: stop and delete exclude"},
		"no mode":                  {func(o *Options) { o.Hooks.BeforeRestore.Flags = map[string]string{"stop": "false"} }, `hooks.beforeRestore.flags.stop: "false"`},
		"yes":                      {func(o *Options) { o.Hooks.BeforeRestore.Flags = map[string]string{"yes": "true"} }, "hooks.beforeRestore.flags.yes: set by"},
		"image of after-restore":   {func(o *Options) { o.Hooks.AfterRestore.Flags = map[string]string{"image": "a:1"} }, "hooks.afterRestore.flags.image: set by"},
		"clone":                    {func(o *Options) { o.Clone.Namespace = "A" }, `clone.namespace: "A"`},
		"clone in a protected one": {func(o *Options) { o.Clone.Namespace = o.Namespaces[0] }, "clone.namespace: \"cassandra\" is protected itself"},
		"everything":               {func(o *Options) { *o = everything() }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Default()
			c.change(&o)
			files, err := Generate(o)
			if c.err == "" {
				require.NoError(t, err)
				require.NotEmpty(t, files)
				return
			}
			require.ErrorContains(t, err, c.err)
			require.Empty(t, files)
		})
	}
}

func TestRefusesAllAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Generate(Options{Namespaces: []string{"A", "B"}, Strategy: "x", Image: "?"})
	require.Error(t, err)
	for _, field := range []string{"namespaces[0]: ", "namespaces[1]: ", "strategy: ", "image: ", "kastenNamespace: ", "serviceAccount: ", "prefix: ",
		"profile: ", "frequency: ", "hooks.beforeBackup.action: ", "hooks.afterBackup.action: ", "hooks.onFailure.action: ", "hooks.beforeRestore.action: ",
		"hooks.afterRestore.action: ", "cleaner.claims: ", "cleaner.mountPath: ", "cleaner.peers: ", "invocation: "} {
		require.ErrorContains(t, err, field)
	}
}

func TestReadConfig(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: casshook.io/v1\nkind: GenerateConfig\n"
	for name, c := range map[string]struct{ text, err string }{
		"empty":           {"", "must be casshook.io/v1 and GenerateConfig"},
		"head":            {head, ""},
		"kind":            {"apiVersion: casshook.io/v1\nkind: Inventory\n", "must be"},
		"unknown":         {head + "imgae: a\n", "imgae"},
		"unknown below":   {head + "hooks: {duringRestore: {}}\n", "duringRestore"},
		"unknown cleaner": {head + "cleaner: {claim: a}\n", "claim"},
		"unknown clone":   {head + "clone: {name: a}\n", "name"},
		"unknown restore": {head + "restore: {online: true}\n", "online"},
		"unknown user":    {head + "cleaner: {securityContext: {user: 1}}\n", "user"},
		"no words":        {head + "hooks: {beforeRestore: {flags: {stop: true}}}\n", "flags"},
		"twice":           {head + "image: a\nimage: b\n", "image"},
		"header is ours":  {head + "invocation: a\n", "nvocation"},
		"two documents":   {head + "---\n" + head, "more than one YAML document"},
		"begins with ---": {"# a\n---\n" + head + "---\n# b\n", ""},
		"a number":        {head + "namespaces: [1]\n", "namespaces"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Default()
			err := ReadConfig([]byte(c.text), &o)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, Default(), o)
		})
	}
	o := Default()
	require.NoError(t, ReadConfig([]byte(head+"namespaces: [a, b]\nhooks: {afterBackup: {flags: {volume-snapshot-timeout: 1h}}}\n"), &o))
	require.Equal(t, []string{"a", "b"}, o.Namespaces)
	require.Equal(t, Hook{"after-backup", map[string]string{"ready-timeout": "5m", "volume-snapshot-timeout": "1h"}}, o.Hooks.AfterBackup)
	require.Equal(t, Default().Hooks.BeforeBackup, o.Hooks.BeforeBackup)
	require.Equal(t, "1h", o.Hooks.AfterBackup.Flags["volume-snapshot-timeout"])
	require.Equal(t, []string{"after-backup", "--ready-timeout=5m", "--volume-snapshot-timeout=1h"}, o.Arguments()["hooks.afterBackup.flags"])
}
