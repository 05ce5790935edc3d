package zoo

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"golang.org/x/sync/errgroup"
)

// Kind is what an Entry is about.
type Kind string

// Kinds of entries.
const (
	KindTable  Kind = "table"
	KindView   Kind = "view"
	KindQuery  Kind = "query"
	KindSchema Kind = "schema"
	KindGrants Kind = "grants"
)

// Entry is the digest of one thing.
type Entry struct {
	Kind Kind
	// Name is keyspace.table without quotes, the words of a query, the type
	// and name of an object, or what of which role.
	Name string
	// Rows read.
	Rows int
	// SHA256 in hexadecimal.
	SHA256 string
	// Err is why it could not be read; it is then never equal to anything.
	Err string
}

// Digests are the entries of one moment, in a fixed order.
type Digests []Entry

// source is one query of which an entry is made.
type source struct {
	kind        Kind
	name, cql   string
	consistency gocql.Consistency
}

// Digest reads all content of a cluster through one session of Connect: each
// user table and view at consistency ALL, with the write times and the expiry
// times of single-cell columns; the results of queries that need indexes,
// views, functions and aggregates; the schema as DESCRIBE shows it, and the
// dropped columns; and roles, memberships and permissions. Tables are those the
// cluster has, so it also sees what is not of the zoo. What cannot be read is an entry
// with Err, and an error beside the entries that names all of them: it is no value that
// anything could be compared with. The order of rows is that of the cluster: token,
// then clustering.
//
// Values are hashed as they come over the wire. Expiry times are exact, since
// protocol 5 lets a request say what time it is: ttl() of the server is then
// counted from one moment for all rows.
func Digest(ctx context.Context, session *gocql.Session) (Digests, error) {
	c, err := readCatalog(ctx, session)
	if err != nil {
		return nil, fmt.Errorf("digest: %w", err)
	}
	sources, err := sourcesOf(c)
	if err != nil {
		return nil, fmt.Errorf("digest: %w", err)
	}
	now := time.Now()
	entries := make(Digests, len(sources))
	var group errgroup.Group
	group.SetLimit(3)
	for i, s := range sources {
		group.Go(func() error {
			entries[i] = s.entry(ctx, session, now)
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("digest: %w", err)
	}
	schema, err := schemaEntries(ctx, session)
	if err != nil {
		return nil, fmt.Errorf("digest schema: %w", err)
	}
	grants, err := grantEntries(ctx, session)
	if err != nil {
		return nil, fmt.Errorf("digest grants: %w", err)
	}
	entries = append(append(entries, schema...), grants...)
	return entries, entries.unread()
}

// unread is the error of the entries that could not be read.
func (d Digests) unread() error {
	var problems []error
	for _, e := range d {
		if e.Err != "" {
			problems = append(problems, fmt.Errorf("digest: %s %s cannot be read: %s", e.Kind, e.Name, e.Err))
		}
	}
	return errors.Join(problems...)
}

func sourcesOf(c *catalog) ([]source, error) {
	var list []source
	for _, t := range c.tables {
		kind := KindTable
		if t.view {
			kind = KindView
		}
		list = append(list, source{kind, t.String(), t.selectAll(), gocql.All})
	}
	queries, err := load("queries.cql", nil)
	if err != nil {
		return nil, err
	}
	for _, q := range queries {
		if c.objects[q.needs[0]] {
			consistency := gocql.All
			if strings.Contains(q.cql, "ANN OF") {
				consistency = gocql.One // Top-K queries run with ONE or LOCAL_ONE only.
			}
			list = append(list, source{KindQuery, q.words, q.cql, consistency})
		}
	}
	return list, nil
}

// selectAll reads every column by name, then write time and TTL of those that
// have just one: not of keys, counters, or collections and types that are not
// frozen, which have one for each element.
func (t table) selectAll() string {
	var names, times []string
	for _, c := range t.columns {
		name := quote(c.name)
		names = append(names, name)
		if !c.key() && c.single() {
			times = append(times, "writetime("+name+")", "ttl("+name+")")
		}
	}
	return "SELECT " + strings.Join(append(names, times...), ", ") + " FROM " + t.cql()
}

// single says whether the column is one cell.
func (c column) single() bool {
	switch name, _, parameters := strings.Cut(c.typ, "<"); {
	case parameters:
		return name == "frozen" || name == "tuple" || name == "vector"
	case name == "counter":
		return false
	default:
		_, native := scalar(name, 0)
		return native // else a type that is not frozen
	}
}

func (s source) entry(ctx context.Context, session *gocql.Session, now time.Time) Entry {
	e := Entry{Kind: s.kind, Name: s.name}
	q := query(session, s.cql).Consistency(s.consistency).WithNowInSeconds(int(now.Unix()))
	digest, rows, err := digestRows(q.IterContext(ctx), now.Unix())
	if err != nil {
		e.Err = err.Error()
		return e
	}
	e.Rows, e.SHA256 = rows, digest
	return e
}

// digestRows hashes the names and types of the columns, then all rows.
func digestRows(iter *gocql.Iter, now int64) (digest string, rows int, err error) {
	sum := sha256.New()
	values, err := newRow(iter, sum)
	if err != nil {
		return "", 0, err
	}
	// Not Iter.Scanner: in gocql 2.1.2 that panics on a row with a tuple.
	for iter.Scan(values.dest...) {
		values.hash(sum, now)
		rows++
	}
	if err := iter.Close(); err != nil {
		return "", rows, err
	}
	return hex.EncodeToString(sum.Sum(nil)), rows, nil
}

// raw takes the bytes of a value from the driver whatever the type.
type raw struct {
	data []byte
	ttl  bool
}

var _ gocql.Unmarshaler = (*raw)(nil)

// UnmarshalCQL keeps a copy of the bytes; nil is null.
func (r *raw) UnmarshalCQL(_ gocql.TypeInfo, data []byte) error {
	if data == nil {
		r.data = nil
		return nil
	}
	r.data = append([]byte{}, data...)
	return nil
}

// row has a raw for every value that the driver hands out; it takes tuples
// apart.
type row struct {
	dest []any
	raws []*raw
}

func newRow(iter *gocql.Iter, sum hash.Hash) (*row, error) {
	r := &row{}
	for _, c := range iter.Columns() {
		if _, err := fmt.Fprintf(sum, "%q ", c.Name); err != nil {
			return nil, err
		}
		n := 1
		if tuple, ok := c.TypeInfo.(gocql.TupleTypeInfo); ok {
			n = len(tuple.Elems)
		}
		for range n {
			v := &raw{ttl: strings.HasPrefix(c.Name, "ttl(")}
			r.raws, r.dest = append(r.raws, v), append(r.dest, v)
		}
	}
	return r, nil
}

// hash adds the values, each with its length in front and null as length -1.
func (r *row) hash(sum hash.Hash, now int64) {
	var length [8]byte
	for _, v := range r.raws {
		n, data := int64(len(v.data)), v.data
		switch {
		case data == nil:
			n = -1
		case v.ttl && len(data) == 4:
			n, data = now+int64(binary.BigEndian.Uint32(data)), nil
		}
		binary.BigEndian.PutUint64(length[:], uint64(n))
		sum.Write(length[:])
		sum.Write(data)
	}
}
