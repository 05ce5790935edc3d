package ledger

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files")

// states lists every state that the rules can meet.
func states() []State {
	var all []State
	for _, origin := range []Origin{Copy, Original, Unknown} {
		for _, complete := range []bool{true, false} {
			for _, stage := range Stages() {
				for _, extent := range []Extent{Whole, Some} {
					if extent == Some && stage == None {
						continue
					}
					all = append(all, State{Origin: origin, Complete: complete, Stage: stage, Extent: extent})
				}
			}
			all = append(all,
				State{Origin: origin, Complete: complete, Stage: Truncated, Offline: true},
				State{Origin: origin, Complete: complete, Stage: Loading, Offline: true},
				State{Origin: origin, Complete: complete, Stage: Loaded, Offline: true, Cleaned: true},
				State{Origin: origin, Complete: complete, Stage: Done, Cleaned: true},
				State{Origin: origin, Complete: complete, Stage: None, Abandoned: true},
				State{Origin: origin, Complete: complete, Stage: Loading, Abandoned: true},
				State{Origin: origin, Complete: complete, Stage: Loading, Extent: Some, Abandoned: true},
				State{Origin: origin, Complete: complete, Stage: Verified, Abandoned: true},
				State{Origin: origin, Complete: complete, Stage: Verified, Extent: Some, Abandoned: true},
				State{Origin: origin, Complete: complete, Stage: Done, Abandoned: true})
		}
	}
	return all
}

func describe(s State) string {
	text := ""
	if s.Abandoned {
		s.Abandoned = false
		return "abandoned: " + describe(s)
	}
	switch {
	case s.Offline && s.Stage.Destroys():
		text = "half cleaned"
	case s.Offline:
		text = "cleaned"
	case s.Stage == None:
		return "not restored"
	default:
		text = fmt.Sprintf("%s, %s", s.Stage, s.Extent)
	}
	if s.Cleaned && !s.Offline {
		text = "cleaned, then " + text
	}
	return text
}

// TestRules compares every rule with the golden file, one line a state and request.
func TestRules(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	for _, s := range states() {
		complete := "complete"
		if !s.Complete {
			complete = "incomplete"
		}
		for _, r := range Requests() {
			fmt.Fprintf(&b, "%-8s  %-10s  %-28s  %-32s  %s\n", s.Origin, complete, describe(s), r, Next(r, s))
		}
	}
	golden(t, "testdata/rules.golden", b.Bytes())
}

// TestStatesDocument keeps docs/states.md true.
func TestStatesDocument(t *testing.T) {
	t.Parallel()
	golden(t, "../../docs/states.md", []byte(page()))
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	wanted, lines := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	for i := range min(len(wanted), len(lines)) {
		require.Equal(t, wanted[i], lines[i], "%s:%d: go test ./pkg/ledger -update writes it", path, i+1)
	}
	require.Len(t, lines, len(wanted), path)
}

// rowsOf groups states that have the same answers to all requests.
func rowsOf(origin Origin, complete bool, requests []Request) [][]string {
	var answers []string
	groups := map[string][]State{}
	for _, s := range states() {
		if s.Origin != origin || s.Complete != complete {
			continue
		}
		cells := make([]string, 0, len(requests))
		for _, r := range requests {
			cells = append(cells, string(Next(r, s)))
		}
		key := strings.Join(cells, " | ")
		if groups[key] == nil {
			answers = append(answers, key)
		}
		groups[key] = append(groups[key], s)
	}
	rows := make([][]string, 0, len(answers))
	for _, key := range answers {
		label := labels(groups[key])
		if len(answers) == 1 {
			label = "any"
		}
		rows = append(rows, []string{label, key})
	}
	return rows
}

// labels names states; one that has the same answer for everything and a part is
// named once.
func labels(group []State) string {
	extents := map[string]int{}
	short := func(s State) string {
		if s.Offline || s.Cleaned || s.Abandoned || s.Stage == None {
			return describe(s)
		}
		return s.Stage.String()
	}
	for _, s := range group {
		extents[short(s)]++
	}
	var names []string
	for _, s := range group {
		name := describe(s)
		if extents[short(s)] > 1 {
			name = short(s)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " · ")
}

const intro = `# States: what lies on a volume, and what may be done

This page is generated from the rules in pkg/ledger (` + "`go test ./pkg/ledger -update`" + `). ` + "`casshook status`" + ` shows the state of every volume.

A backup on a volume is in one of these states. The columns say what each command does in it. A ring is only as far as its nodes: one
node that refuses refuses for all.

- **copy**: the volume came back with a restore point. **original**: the backup was made on this very volume. **unknown**: what casshook
  knows of the volume does not tell ([identity.md](identity.md)). Then only that is done which is right for both, unless somebody says what the
  volume is: ` + "`--restored`" + ` treats it as a copy, ` + "`--in-place`" + ` as the original. ` + "`--restored`" + ` never overrides what is known.
- **complete**: the backup has its COMPLETE. **incomplete**: a before-backup was interrupted; this is no backup.
- **staged, schema, truncated, loading**: after-restore stopped there. From *schema* to *loading* live data is not whole: the snapshot is the
  only good data. Run the same after-restore again.
- **loaded, views, verified**: all data is in place and clients may write. A rerun verifies and never loads again.
- **done, everything** or **done, a part**: after-restore ended. Only a restore of everything frees the backup on a copy: all tables
  that were left out exist nowhere else.
- **half cleaned, cleaned**: the cleaner worked while Cassandra was stopped. Start no node of a ring that is half cleaned.
- **cleaned, then done**: after-restore verified the ring since.
- **abandoned**: somebody gave the restore up with ` + "`after-restore --abandon`" + `, or left objects out with ` + "`--skip`" + `. Hooks run again and leave the backup
  where it is, until ` + "`casshook discard`" + ` removes it. The restore can still be taken up again. An abandoned restore counts on later copies of the volume, too.

"Nothing: done before" ends with exit code 0 in a hook (` + "`-o kanister`" + `), whose verdict says so, and with 3 for a person. ` + "`--again`" + ` restores once
more; all writes since are lost. The report of the earlier restore is kept (the last ten are).

`

// answers says what to do about each refusal.
const answers = `
## What to do when a command refuses

| answer | exit code | what it means | what to do |
|---|---|---|---|
| refuse: not complete | 4 | The backup has no COMPLETE. | Use another restore point. |
| refuse: original volume, needs --in-place | 3 | No restore point was restored: the data on the volume is live. | Restore the restore point first, or roll back in place with ` + "`--in-place`" + ` and lose all writes since the backup. |
| refuse: original or restored copy unknown | 3 | What is known of the volume does not tell; the message lists it. | If the restore point was restored: after-restore (or clean) with ` + "`--restored`" + `. To roll back the original: ` + "`--in-place`" + `. Before a backup, if the data is live: remove the old backup with ` + "`casshook discard`" + `. |
| refuse: run after-restore first | 3 | The volume came back and nothing was restored from the backup on it. | Run after-restore. |
| refuse: only a part was restored | 3 | All other tables exist in this backup only. | Run after-restore without ` + "`--include`" + ` and ` + "`--exclude`" + `. |
| refuse: a restore stopped half-way | 3 | An after-restore began to change live data and is not done. | Run the same after-restore again. If it cannot end, leave out what fails with ` + "`--skip`" + `, or give it up with ` + "`--abandon`" + `. |
| refuse: half cleaned, clean again | 3 | The cleaner stopped half-way. | Keep all nodes stopped; run after-restore, or the cleaner, again. |
| refuse: only some volumes were cleaned | 3 | Nodes that were not cleaned have newer schema and data, which spread to the others. | Stop the ring and run after-restore with ` + "`--again`" + `. |
| refuse: restored before, needs --again | 3 | Cleaning would undo writes since the restore. | Do nothing, or clean with ` + "`--again`" + ` and lose these writes. |
`

func page() string {
	var b strings.Builder
	b.WriteString(intro)
	groups := []struct {
		title    string
		requests []Request
	}{
		{"Backup hooks, verify and discard", Requests()[:4]},
		{"after-restore on a running ring (and plan)", Requests()[4:10]},
		{"The cleaner, and after-restore on a stopped ring", Requests()[10:]},
	}
	for _, g := range groups {
		fmt.Fprintf(&b, "## %s\n", g.title)
		for _, origin := range []Origin{Copy, Original, Unknown} {
			for _, complete := range []bool{true, false} {
				word := "complete"
				if !complete {
					word = "incomplete"
				}
				fmt.Fprintf(&b, "\n**%s, %s backup**\n\n| state |", origin, word)
				for _, r := range g.requests {
					fmt.Fprintf(&b, " %s |", r)
				}
				b.WriteString("\n|---|" + strings.Repeat("---|", len(g.requests)) + "\n")
				for _, row := range rowsOf(origin, complete, g.requests) {
					fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
				}
			}
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n") + answers
}

// TestRefusalsAreExplained: whoever meets a refusal finds it on the page.
func TestRefusalsAreExplained(t *testing.T) {
	t.Parallel()
	for _, s := range states() {
		for _, r := range Requests() {
			if a := Next(r, s); a.Refuses() {
				require.Contains(t, answers, "| "+string(a)+" |")
			}
		}
	}
}

// TestInvariants: rules that no row may break.
func TestInvariants(t *testing.T) {
	t.Parallel()
	for _, s := range states() {
		for _, r := range Requests() {
			a := Next(r, s)
			where := fmt.Sprintf("%s %s %v: %s", r, describe(s), s, a)
			if a == Leave {
				require.True(t, s.Abandoned, where)
			}
			if a == Delete && r.Operation == Discard { // somebody asked for just that
				require.True(t, !s.Stage.Unfinished() || s.Abandoned || s.Cleaned, "under a restore that stopped: %s", where)
				continue
			}
			if a == Replace || a == Delete {
				require.False(t, s.Stage.Destroys(), "the only good data is removed: %s", where)
				restored := s.Stage == Done && s.Extent == Whole
				require.True(t, !s.Complete || s.Origin == Original || restored, "a copy's backup is removed before all of it was restored: %s", where)
			}
			if a == Begin || a == Place || a == Resume {
				require.True(t, s.Complete, where)
				require.True(t, s.Origin == Copy || r.InPlace || s.Origin == Unknown && r.Restored, "live data is destroyed without --in-place: %s", where)
				if s.Stage >= Loaded {
					require.True(t, r.Again, "clients' writes are taken without --again: %s", where)
				}
			}
		}
	}
}
