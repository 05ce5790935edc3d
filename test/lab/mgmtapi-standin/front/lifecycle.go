package front

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// asked is what was last asked of Cassandra.
type asked int

const (
	nothing asked = iota
	toRun
	toStop
)

// lifecycle is the one Cassandra of this process. Starting and stopping exclude each other, as in the real one.
type lifecycle struct {
	options  Options
	children *children
	log      *slog.Logger
	// connects says whether Cassandra answers.
	connects func(context.Context) bool

	turn sync.Mutex // held while it is started or stopped

	mu      sync.Mutex // for what follows
	asked   asked
	process *process
}

// outcome is a status of the real one, and the text with it.
type outcome struct {
	status int
	text   string
}

// start runs Cassandra unless it runs already. The statuses are those of POST /lifecycle/start in the OpenAPI document; 206,
// a Cassandra that answers and has no process, cannot come about here.
func (l *lifecycle) start(ctx context.Context, profile, replace string) outcome {
	l.turn.Lock()
	defer l.turn.Unlock()
	if profile != "" {
		return outcome{http.StatusBadRequest, "the stand-in has no profiles: " + profile}
	}
	var once []string
	if replace != "" {
		if _, err := netip.ParseAddr(replace); err != nil {
			return outcome{http.StatusBadRequest, "Invalid replace IP passed: " + replace}
		}
		once = append(once, "-Dcassandra.replace_address_first_boot="+replace)
	}
	defer l.ask(toRun) // also when that fails: a node that cannot start is not alive
	if l.current().running() {
		if l.connects(ctx) {
			return outcome{http.StatusAccepted, ""}
		}
		return outcome{http.StatusNoContent, ""}
	}
	if err := l.launch(once); err != nil {
		l.log.Error("starting Cassandra", "error", err)
		return outcome{statusMethodFailure, "Error starting Cassandra"}
	}
	return outcome{http.StatusCreated, "OK\n"}
}

// statusMethodFailure is 420 of the real one.
const statusMethodFailure = 420

func (l *lifecycle) launch(once []string) error {
	if err := l.options.Layout.writeAgentConfig(); err != nil {
		return err
	}
	command := l.options.Command
	if command == nil {
		command = l.options.command
	}
	argv, err := command(once)
	if err != nil {
		return err
	}
	dir := l.options.Layout.Log()
	stdout, err := os.Create(filepath.Join(dir, "stdout.log"))
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer func() { _ = stdout.Close() }()
	stderr, err := os.Create(filepath.Join(dir, "stderr.log"))
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer func() { _ = stderr.Close() }()
	p, err := l.children.start(argv, dir, stdout, stderr)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.process = p
	l.mu.Unlock()
	l.log.Info("started Cassandra", "pid", p.pid)
	go l.tellEnd(p)
	return nil
}

func (l *lifecycle) tellEnd(p *process) {
	<-p.ended
	const size = 4096
	l.log.Info("Cassandra ended", "pid", p.pid, "state", p.state, "stderr", tail(filepath.Join(l.options.Layout.Log(), "stderr.log"), size))
}

// stop ends Cassandra, killing it when it takes too long. It is no error when none runs.
func (l *lifecycle) stop() outcome {
	l.turn.Lock()
	defer l.turn.Unlock()
	l.ask(toStop)
	if p := l.current(); p != nil {
		if err := p.stop(l.options.StopTimeout); err != nil {
			l.log.Error("stopping Cassandra", "error", err)
			return outcome{http.StatusInternalServerError, "Killing Cassandra Failed"}
		}
	}
	return outcome{http.StatusOK, "OK\n"}
}

func (l *lifecycle) pid() outcome {
	if p := l.current(); p.running() {
		return outcome{http.StatusOK, strconv.Itoa(p.pid)}
	}
	return outcome{http.StatusNoContent, ""}
}

// live is not so when Cassandra was asked to run and has ended: that is what lets Kubernetes restart the container.
func (l *lifecycle) live() outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked == toRun && !l.process.running() {
		return outcome{http.StatusInternalServerError, "Cassandra was asked to run and does not"}
	}
	return outcome{http.StatusOK, "OK"}
}

func (l *lifecycle) ask(what asked) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = what
}

func (l *lifecycle) current() *process {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.process
}
