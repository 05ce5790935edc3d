package cql

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/apache/cassandra-gocql-driver/v2"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/ring"
)

// standIn is a stand-in for one Cassandra node: it speaks as much of the native
// protocol as the driver needs to log in and to run statements, over pipes, and
// answers from maps. It knows nothing of CQL but SELECT of whole tables.
type standIn struct {
	user, password string
	// answers by statement come before tables by name.
	answers map[string]answer
	tables  map[string]*table
	// refuse answers a STARTUP or a login when set.
	refuse func(login int) *failure

	mu       sync.Mutex
	queries  []query
	conns    []net.Conn
	events   []net.Conn
	logins   int
	dialErr  error
	prepared []string
}

// answer is what a statement gets, which may differ from time to time.
type answer func(q query) reply

// reply is a result to be sent, an error, or what becomes of the connection.
type reply any

type (
	// table is rows of a table or of a result; page limits the rows of a page.
	table struct {
		columns []column
		rows    [][]any
		page    int
	}
	// void is the result of a statement without one.
	void struct{}
	// schemaChange is the result of DDL.
	schemaChange struct{ change, target, keyspace string }
	// failure is an ERROR; the rest of it by its code.
	failure struct {
		code    int
		message string
		rest    body
	}
	// silence is no answer at all.
	silence struct{}
	// cut closes the connection.
	cut struct{}
)

// node is where the stand-in says it is.
var node = ring.Node{Node: wire.Node{Name: "n1"}, Address: "10.0.0.1", CQLPort: 9042}

// DialCQL implements ring.Dialer.
func (s *standIn) DialCQL(_ context.Context, n ring.Node) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dialErr != nil {
		return nil, s.dialErr
	}
	ours, theirs := net.Pipe()
	s.conns = append(s.conns, theirs)
	go s.serve(theirs)
	return tcp{ours, &net.TCPAddr{IP: net.ParseIP(n.Address), Port: n.CQLPort}}, nil
}

// tcp is a pipe with the TCP address that the driver wants.
type tcp struct {
	net.Conn
	remote net.Addr
}

// RemoteAddr implements net.Conn.
func (t tcp) RemoteAddr() net.Addr { return t.remote }

func (s *standIn) serve(conn net.Conn) {
	defer conn.Close()
	for {
		f, err := readFrame(conn)
		if err != nil {
			return
		}
		if f.version != version {
			why := failure{code: gocql.ErrCodeProtocol, message: fmt.Sprintf("Invalid or unsupported protocol version (%d)", f.version)}
			_ = frame{op: opError, stream: f.stream, body: why.encode()}.write(conn)
			return
		}
		op, content := s.answer(conn, f)
		if op < 0 {
			return
		}
		if content == nil {
			continue
		}
		if err := (frame{op: byte(op), stream: f.stream, body: content}).write(conn); err != nil {
			return
		}
	}
}

// answer gives the answer to a frame: nil is none, below zero the end.
func (s *standIn) answer(conn net.Conn, f frame) (op int, content body) {
	switch f.op {
	case opOptions:
		return opSupported, body{}.short(0)
	case opStartup:
		return s.startup()
	case opAuthResponse:
		return s.login(f.body.readLong())
	case opRegister:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, conn)
		return opReady, body{}
	case opPrepare:
		return s.prepare(f.body.readLong())
	case opExecute:
		id, _ := strconv.Atoi(f.body.readString())
		s.mu.Lock()
		statement := s.prepared[id]
		s.mu.Unlock()
		return s.run(f.body, statement)
	case opQuery:
		statement := f.body.readLong()
		return s.run(f.body, statement)
	}
	return encode(&failure{code: gocql.ErrCodeProtocol, message: "unknown frame"})
}

func (s *standIn) startup() (int, body) {
	if s.user == "" {
		return opReady, body{}
	}
	return opAuthenticate, body{}.string("org.apache.cassandra.auth.PasswordAuthenticator")
}

func (s *standIn) login(token string) (int, body) {
	s.mu.Lock()
	s.logins++
	n := s.logins
	s.mu.Unlock()
	if s.refuse != nil {
		if why := s.refuse(n); why != nil {
			return encode(why)
		}
	}
	if token != "\x00"+s.user+"\x00"+s.password {
		user := strings.Split(token, "\x00")[1]
		return encode(&failure{code: gocql.ErrCodeCredentials, message: "Provided username " + user + " and/or password are incorrect"})
	}
	return opAuthSuccess, body{}.bytes(nil)
}

// prepare answers with the columns that the statement will have.
func (s *standIn) prepare(statement string) (int, body) {
	r := s.reply(query{statement: statement})
	t, ok := r.(*table)
	if !ok {
		return encode(r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prepared = append(s.prepared, statement)
	id := strconv.Itoa(len(s.prepared) - 1)
	b := body{}.int(resultPrepared).string(id)
	b = b.int(globalTable).int(0).int(0).string("ks").string("t")
	return opResult, append(b, metadata(t.columns, "")...)
}

func (s *standIn) run(params body, statement string) (int, body) {
	q, err := params.readQuery(statement)
	if err != nil {
		return encode(&failure{code: gocql.ErrCodeProtocol, message: err.Error()})
	}
	s.mu.Lock()
	s.queries = append(s.queries, q)
	s.mu.Unlock()
	r := s.reply(q)
	if t, ok := r.(*table); ok {
		return opResult, t.encode(q)
	}
	return encode(r)
}

var selectFrom = regexp.MustCompile(`^SELECT (.+) FROM ([a-z0-9_.]+)`)

// reply finds the answer to a statement. Columns that a table does not have
// are refused as Cassandra refuses them.
func (s *standIn) reply(q query) reply {
	s.mu.Lock()
	a := s.answers[q.statement]
	m := selectFrom.FindStringSubmatch(q.statement)
	var t *table
	if m != nil {
		t = s.tables[m[2]]
	}
	s.mu.Unlock()
	switch {
	case a != nil:
		return a(q)
	case m == nil:
		return &failure{code: gocql.ErrCodeSyntax, message: "line 1:0 no viable alternative at input"}
	case t == nil:
		return &failure{code: gocql.ErrCodeInvalid, message: "table " + m[2] + " does not exist"}
	case m[1] == "*":
		return t
	}
	return t.project(strings.Split(m[1], ", "))
}

func (t *table) project(names []string) reply {
	p := &table{page: t.page, rows: make([][]any, len(t.rows))}
	for _, name := range names {
		i := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
		if i < 0 {
			return &failure{code: gocql.ErrCodeInvalid, message: "Undefined column name " + name}
		}
		p.columns = append(p.columns, t.columns[i])
		for r, row := range t.rows {
			p.rows[r] = append(p.rows[r], row[i])
		}
	}
	return p
}

// encode renders the page of the rows that the query asks for.
func (t *table) encode(q query) body {
	from, _ := strconv.Atoi(q.page)
	rows, next := t.rows[from:], ""
	if t.page > 0 && len(rows) > t.page {
		rows, next = rows[:t.page], strconv.Itoa(from+t.page)
	}
	b := append(body{}.int(resultRows), metadata(t.columns, next)...).int(len(rows))
	for _, row := range rows {
		for _, v := range row {
			b = b.bytes(value(v))
		}
	}
	return b
}

func encode(r reply) (int, body) {
	switch r := r.(type) {
	case *failure:
		return opError, r.encode()
	case void:
		return opResult, body{}.int(resultVoid)
	case schemaChange:
		return opResult, body{}.int(resultSchemaChange).string(r.change).string(r.target).string(r.keyspace).string("t")
	case silence:
		return 0, nil
	case cut:
		return -1, nil
	}
	panic(fmt.Sprintf("the stand-in has no such reply: %T", r))
}

func (f *failure) encode() body { return append(body{}.int(f.code).string(f.message), f.rest...) }

// always answers with one reply.
func always(r reply) answer { return func(query) reply { return r } }

// set changes the answer to a statement.
func (s *standIn) set(statement string, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[statement] = a
}

// seen is how often a statement was run, pages included.
func (s *standIn) seen(statement string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queries {
		if q.statement == statement {
			n++
		}
	}
	return n
}

// nodeUp tells whoever registered for it that a node came up.
func (s *standIn) nodeUp(address net.IP) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.events {
		b := append(body{}.string("STATUS_CHANGE").string("UP"), 4)
		b = append(b, address.To4()...).int(9042)
		_ = frame{op: opEvent, stream: eventStream, body: b}.write(conn)
	}
}

// login connects to the stand-in as its user.
func login(t *testing.T, s *standIn) *Session {
	t.Helper()
	session, err := Connect(t.Context(), s, node, ring.Credentials{Username: s.user, Password: s.password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	return session
}
