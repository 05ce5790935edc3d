package cql

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/apache/cassandra-gocql-driver/v2"
)

// The frames of the native protocol, version 4, as far as the stand-in needs
// them. Source: doc/native_protocol_v4.spec of Apache Cassandra.
const (
	opError        = 0x00
	opStartup      = 0x01
	opReady        = 0x02
	opAuthenticate = 0x03
	opOptions      = 0x05
	opSupported    = 0x06
	opQuery        = 0x07
	opResult       = 0x08
	opPrepare      = 0x09
	opExecute      = 0x0A
	opRegister     = 0x0B
	opEvent        = 0x0C
	opAuthResponse = 0x0F
	opAuthSuccess  = 0x10

	version     = 4
	response    = 0x80
	eventStream = 0xffff
)

const (
	resultVoid         = 1
	resultRows         = 2
	resultPrepared     = 4
	resultSchemaChange = 5
)

// Flags of a request's parameters and of a result's metadata.
const (
	withValues      = 0x01
	withPageSize    = 0x04
	withPagingState = 0x08
	globalTable     = 0x01
	morePages       = 0x02
)

// frame is one message.
type frame struct {
	version, op byte
	stream      uint16
	body        body
}

func readFrame(r io.Reader) (frame, error) {
	var head [9]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	f := frame{version: head[0], op: head[4], stream: binary.BigEndian.Uint16(head[2:])}
	f.body = make([]byte, binary.BigEndian.Uint32(head[5:]))
	_, err := io.ReadFull(r, f.body)
	return f, err
}

func (f frame) write(w io.Writer) error {
	out := body{version | response, 0}.short(f.stream)
	out = append(out, f.op)
	_, err := w.Write(append(out.int(len(f.body)), f.body...))
	return err
}

// body is a message's content, written from front to back and read so.
type body []byte

func (b body) short(n uint16) body { return binary.BigEndian.AppendUint16(b, n) }

func (b body) int(n int) body { return binary.BigEndian.AppendUint32(b, uint32(int32(n))) }

func (b body) string(s string) body { return append(b.short(uint16(len(s))), s...) }

// bytes appends a value; nil is null.
func (b body) bytes(v []byte) body {
	if v == nil {
		return b.int(-1)
	}
	return append(b.int(len(v)), v...)
}

func (b *body) readInt() int {
	n := int(int32(binary.BigEndian.Uint32(*b)))
	*b = (*b)[4:]
	return n
}

func (b *body) readShort() uint16 {
	n := binary.BigEndian.Uint16(*b)
	*b = (*b)[2:]
	return n
}

func (b *body) readString() string { return b.take(int(b.readShort())) }

func (b *body) readLong() string { return b.take(b.readInt()) }

func (b *body) take(n int) string {
	s := string((*b)[:n])
	*b = (*b)[n:]
	return s
}

// query is what the parameters of a QUERY or EXECUTE say.
type query struct {
	statement   string
	consistency gocql.Consistency
	pageSize    int
	page        string
}

func (b *body) readQuery(statement string) (query, error) {
	q := query{statement: statement, consistency: gocql.Consistency(b.readShort())}
	flags := b.take(1)[0]
	if flags&withValues != 0 {
		return q, errors.New("the stand-in takes no values")
	}
	if flags&withPageSize != 0 {
		q.pageSize = b.readInt()
	}
	if flags&withPagingState != 0 {
		q.page = b.readLong()
	}
	return q, nil
}

// kinds are the types of columns, by the name that CQL gives them.
var kinds = map[string]body{
	"bigint": {0, 0x02}, "boolean": {0, 0x04}, "int": {0, 0x09}, "text": {0, 0x0D}, "uuid": {0, 0x0C}, "inet": {0, 0x10},
	"map<text,text>": {0, 0x21, 0, 0x0D, 0, 0x0D}, "set<text>": {0, 0x22, 0, 0x0D},
}

// column is a column's name and type.
type column struct{ name, kind string }

// columns parses "name text, tokens set<text>".
func columns(text string) []column {
	var list []column
	for field := range strings.SplitSeq(text, ", ") {
		name, kind, _ := strings.Cut(field, " ")
		if kinds[kind] == nil {
			panic("the stand-in knows no type " + kind)
		}
		list = append(list, column{name, kind})
	}
	return list
}

// metadata describes the columns of a result; page is where the next page
// begins, empty for the last.
func metadata(cols []column, page string) body {
	flags := globalTable
	if page != "" {
		flags |= morePages
	}
	b := body{}.int(flags).int(len(cols))
	if page != "" {
		b = b.bytes([]byte(page))
	}
	b = b.string("ks").string("t")
	for _, c := range cols {
		b = append(b.string(c.name), kinds[c.kind]...)
	}
	return b
}

// value encodes a Go value for a column; nil is null.
func value(v any) []byte {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return []byte(v)
	case int:
		return body{}.int(v)
	case int64:
		return binary.BigEndian.AppendUint64(nil, uint64(v))
	case bool:
		if v {
			return []byte{1}
		}
		return []byte{0}
	case gocql.UUID:
		return v[:]
	case net.IP:
		return v.To4()
	case []string:
		b := body{}.int(len(v))
		for _, s := range v {
			b = b.bytes([]byte(s))
		}
		return b
	case map[string]string:
		b := body{}.int(len(v))
		for k, s := range v {
			b = b.bytes([]byte(k)).bytes([]byte(s))
		}
		return b
	}
	panic("the stand-in encodes no such value")
}
