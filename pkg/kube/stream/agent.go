package stream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
)

// agentScript takes the agent from stdin into a directory of its own, which nobody else
// can have prepared, and starts it; the agent removes both at once. It needs a POSIX shell,
// uname, wc, head -c, chmod, mkdir, rm and rmdir, and leaves nothing half.
// Arguments: a preinstalled path or "", then path, size and SHA-256 for amd64 and
// for arm64. On stdout: "need <machine>" when bytes are to be sent, and "start"
// before the agent's own output. Nothing may be sent before that, since some heads
// read more than they were asked for.
const agentScript = `set -u
fail() { echo "casshook: $*" >&2; exit 1; }
if [ -n "$1" ] && [ -x "$1" ]; then echo start; exec "$1" serve; fi
shift
machine=$(uname -m)
case $machine in
x86_64 | amd64) ;;
aarch64 | arm64) shift 3 ;;
*) fail "there is no agent for machines of type $machine" ;;
esac
path=$1 size=$2 sum=$3
[ -n "$path" ] || fail "casshook has no agent for machines of type $machine"
whole() {
	[ "$(($(wc -c <"$1")))" -eq "$size" ] || return 1
	command -v sha256sum >/dev/null 2>&1 || return 0
	got=$(sha256sum <"$1")
	[ "${got%% *}" = "$sum" ]
}
umask 077
place= try=0
while [ -z "$place" ] && [ "$try" -lt 100 ]; do
	try=$((try + 1))
	mkdir "$path.$$-$try" 2>/dev/null && place=$path.$$-$try
done
[ -n "$place" ] || fail "cannot make a directory $path.$$-1"
trap 'rm -f "$place/casshook-agent"; rmdir "$place"' EXIT
echo "need $machine"
head -c "$size" >"$place/casshook-agent" || fail "cannot write $place/casshook-agent"
whole "$place/casshook-agent" || fail "the agent was not transferred completely"
chmod 0700 "$place/casshook-agent" || fail "cannot make $place/casshook-agent executable"
echo start
export ` + objects.AgentPlace + `="$place"
exec "$place/casshook-agent" serve
`

// binary is the agent for one architecture.
type binary struct {
	content []byte
	sum     string
}

// path begins the name of the directory that the binary goes into.
func (b binary) path() string { return objects.AgentPrefix + b.sum[:16] }

// Agents are the binaries that casshook has, by Go's names of architectures.
type Agents struct {
	load func() (map[string]binary, error)
}

// architectures that nodes may have, in the order of the script's arguments.
func architectures() []string { return []string{"amd64", "arm64"} }

// NewAgents finds the binaries when they are needed first: in dir or, without one,
// in the folder "agents" beside the running program; for this machine's own
// architecture the casshook-agent beside it will do.
func NewAgents(dir string) *Agents {
	return &Agents{load: sync.OnceValues(func() (map[string]binary, error) { return readAgents(dir) })}
}

func readAgents(dir string) (map[string]binary, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	beside := filepath.Dir(self)
	found := map[string]binary{}
	for _, arch := range architectures() {
		paths := []string{filepath.Join(dir, "casshook-agent-linux-"+arch)}
		if dir == "" {
			paths[0] = filepath.Join(beside, "agents", "casshook-agent-linux-"+arch)
			if arch == runtime.GOARCH && runtime.GOOS == "linux" {
				paths = append(paths, filepath.Join(beside, "casshook-agent"))
			}
		}
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			sum := sha256.Sum256(content)
			found[arch] = binary{content: content, sum: hex.EncodeToString(sum[:])}
			break
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no casshook-agent-linux-amd64 or -arm64 in %s: install the agents there", agentDir(dir, beside))
	}
	return found, nil
}

func agentDir(dir, beside string) string {
	if dir == "" {
		return filepath.Join(beside, "agents")
	}
	return dir
}

// AgentArgv implements ring.Exec: one exec puts the agent into the container, if
// need be, and runs it.
func (p *Pods) AgentArgv(context.Context, ring.Node) ([]string, error) {
	found, err := p.options.Agents.load()
	if err != nil && p.options.AgentPath == "" {
		return nil, err
	}
	argv := []string{"/bin/sh", "-c", agentScript, "casshook-agent", p.options.AgentPath}
	for _, arch := range architectures() {
		if b, ok := found[arch]; ok {
			argv = append(argv, b.path(), strconv.Itoa(len(b.content)), b.sum)
		} else {
			argv = append(argv, "", "0", "")
		}
	}
	return argv, nil
}

// runsAgent recognises what AgentArgv made.
func runsAgent(argv []string) bool { return len(argv) > 2 && argv[2] == agentScript }

// forMachine is the binary for what uname calls the machine.
func (a *Agents) forMachine(machine string) (binary, error) {
	found, err := a.load()
	if err != nil {
		return binary{}, err
	}
	arch := strings.TrimSpace(machine)
	switch arch {
	case "x86_64":
		arch = "amd64"
	case "aarch64":
		arch = "arm64"
	}
	b, ok := found[arch]
	if !ok {
		return binary{}, fmt.Errorf("no agent for machines of type %q", machine)
	}
	return b, nil
}
