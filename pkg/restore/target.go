package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/schema"
	"github.com/casshook/casshook/pkg/startconfig"
)

// checkStatements finds the statements that the target would refuse: features that it
// lacks or has switched off, and guardrails.
func (cmp *comparison) checkStatements(view ring.View) []error {
	var problems []error
	for _, need := range cmp.diff.Needs() {
		if why := cmp.lacks(need); why != "" {
			problems = append(problems, fmt.Errorf("%s needs %s: %s", need.Ref.Describe(), need.Feature, why))
		}
	}
	return append(problems, append(cmp.checkGuardrails(view), cmp.checkUser())...)
}

// checkUser refuses a user who needs permissions: grants are restored, too, and what
// belongs to whom is read from system_auth.
func (cmp *comparison) checkUser() error {
	if cmp.user.Superuser || !cmp.user.Limited {
		return nil
	}
	return fmt.Errorf("CQL user %q is no superuser, which a restore needs", cmp.user.Name)
}

// notAllowed adds to an error that the user is no superuser, where that is so.
func (cmp *comparison) notAllowed(err error) error {
	if refusal := cmp.checkUser(); refusal != nil {
		return flow.Fail(flow.Precondition, fmt.Errorf("%w: %w", refusal, err))
	}
	return err
}

// checkGuardrails says once for every setting what it refuses.
func (cmp *comparison) checkGuardrails(view ring.View) []error {
	var order []string
	refused, values := map[string][]string{}, map[string]string{}
	for _, o := range cmp.obstacles(view) {
		if refused[o.Setting] == nil {
			order = append(order, o.Setting)
		}
		refused[o.Setting], values[o.Setting] = append(refused[o.Setting], o.Ref.Describe()+": "+o.Reason), o.Value
	}
	problems := make([]error, 0, len(order))
	for _, setting := range order {
		objects := strings.Join(refused[setting], "; ")
		if setting == "" {
			problems = append(problems, fmt.Errorf("refused by Cassandra: %s: leave these keyspaces out (--exclude), or restore them offline", objects))
			continue
		}
		problems = append(problems, fmt.Errorf("%s is %s on the nodes, which refuses this to user %q: %s: log in as a superuser, or change the setting",
			setting, values[setting], cmp.user.Name, objects))
	}
	return problems
}

func (cmp *comparison) obstacles(view ring.View) []schema.Obstacle {
	limits := schema.Limits{Settings: cmp.settings, Ordinary: !cmp.user.Superuser}
	for _, m := range view.Members {
		if !slices.Contains(limits.Datacenters, m.Datacenter) {
			limits.Datacenters = append(limits.Datacenters, m.Datacenter)
		}
	}
	found := append(cmp.diff.Obstacles(cmp.live, limits), cmp.unreadable()...)
	if cmp.loaded {
		found = slices.DeleteFunc(found, func(o schema.Obstacle) bool { return o.Ref.Kind != schema.KindView })
	}
	return found
}

// unreadable are views that may not be counted.
func (cmp *comparison) unreadable() []schema.Obstacle {
	const levels, filtering = "read_consistency_levels_disallowed", "allow_filtering_enabled"
	var found []schema.Obstacle
	for _, c := range cmp.diff.Changes {
		if cmp.user.Superuser || c.Ref.Kind != schema.KindView || c.Verdict == schema.Drop {
			continue
		}
		if disallowed := strings.Trim(cmp.settings[levels], "[]"); slices.Contains(strings.Split(disallowed, ", "), "ALL") {
			found = append(found, schema.Obstacle{Ref: c.Ref, Setting: levels, Value: cmp.settings[levels], Reason: "its rows must be counted at ALL"})
		}
		view := cmp.backup.Lookup(c.Ref)
		query, _ := schema.ExpectedViewRows(view, cmp.backup.Lookup(view.Base))
		if strings.Contains(query, "ALLOW FILTERING") && cmp.settings[filtering] == "false" {
			found = append(found, schema.Obstacle{Ref: c.Ref, Setting: filtering, Value: "false", Reason: "its rows must be counted with ALLOW FILTERING"})
		}
	}
	return found
}

// readProperties asks for the properties that statements of the Diff need.
func (cmp *comparison) readProperties(ctx context.Context, c ring.CQL) error {
	if !slices.ContainsFunc(cmp.diff.Needs(), func(n schema.Need) bool { return n.Feature == schema.FeatureViewFilter }) {
		return nil
	}
	n, err := c.Count(ctx, "SELECT count(*) FROM system_views.system_properties WHERE name = '"+schema.ViewFilterProperty+"' AND value = 'true' ALLOW FILTERING")
	cmp.settings[schema.ViewFilterProperty] = fmt.Sprint(n == 1)
	return err
}

// runsWithoutAutoRepair tells nodes that do not know the option of automatic repair:
// those that do print it for every table.
func (cmp *comparison) runsWithoutAutoRepair() bool {
	on, known := cmp.live.AutoRepair()
	return known && !on
}

// lacks says why the target does not have a feature; "" when it has, or when
// only the statement itself can tell.
func (cmp *comparison) lacks(need schema.Need) string {
	f := need.Feature
	switch {
	case f == schema.FeatureAutoRepair && cmp.runsWithoutAutoRepair():
		return "start all nodes with " + startconfig.AutoRepairProperty + ", or restore where the tables exist without the option"
	case f == schema.FeatureCompaction && need.Detail == "DateTieredCompactionStrategy" && cmp.target.Major >= 5:
		return "Cassandra 5.0 and later have no DateTieredCompactionStrategy"
	case f == schema.FeatureScripts && cmp.target.Major >= 5:
		return "Cassandra 5.0 and later only run functions in Java"
	case f == schema.FeatureMemtable && cmp.unknownMemtable(need.Detail):
		return fmt.Sprintf("%q is not in memtable.configurations of cassandra.yaml on the nodes: add it and restart them", need.Detail)
	case f == schema.FeatureViewFilter && cmp.settings[schema.ViewFilterProperty] != "true":
		return "start all nodes with -D" + schema.ViewFilterProperty + "=true"
	}
	return cmp.switchedOff(f)
}

// switchedOff is lacks for what came with 5.0 or has a switch.
func (cmp *comparison) switchedOff(f schema.Feature) string {
	newIn50 := []schema.Feature{schema.FeatureSAI, schema.FeatureVector, schema.FeatureUCS, schema.FeatureMasking}
	setting := map[schema.Feature]string{
		schema.FeatureViews: "materialized_views_enabled", schema.FeatureFunctions: "user_defined_functions_enabled", schema.FeatureSASI: "sasi_indexes_enabled",
		schema.FeatureMasking: "dynamic_data_masking_enabled", schema.FeatureTransient: "transient_replication_enabled",
		schema.FeatureScripts: "scripted_user_defined_functions_enabled",
	}[f]
	switch {
	case cmp.target.Major < 5 && slices.Contains(newIn50, f):
		return "only available in Cassandra 5.0"
	case setting != "" && cmp.settings[setting] != "true":
		return setting + " is off on the nodes: set it in cassandra.yaml and restart them"
	}
	return ""
}

// unproven warns of classes of which nothing tells whether the nodes have them.
func (cmp *comparison) unproven() []string {
	var warnings []string
	for _, need := range cmp.diff.Unproven(cmp.live) {
		warnings = append(warnings, fmt.Sprintf("%s needs the %s %s, which nothing in the ring uses now: make sure that all nodes have it, or the restore stops half-way",
			need.Ref.Describe(), need.Feature, need.Detail))
	}
	return warnings
}

// unknownMemtable tells whether the nodes have memtable configurations, but not this one.
func (cmp *comparison) unknownMemtable(name string) bool {
	listed, known := cmp.settings["memtable.configurations"]
	return known && name != "default" && !strings.Contains(listed, name+"=")
}
