package schema

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// TypeCQL writes a type that is stored by the name of its Java class, as in the
// resources of functions, as CQL: text for
// org.apache.cassandra.db.marshal.UTF8Type. User types keep their name only;
// CQL finds them in the function's keyspace. An unknown class is an error that
// names it.
func TypeCQL(class string) (string, error) {
	p := &classParser{text: class}
	out, err := p.parse()
	if err == nil && p.pos < len(p.text) {
		err = fmt.Errorf("text after it: %q", p.text[p.pos:])
	}
	if err != nil {
		return "", fmt.Errorf("type %q: %w", class, err)
	}
	return out, nil
}

const marshalPackage = "org.apache.cassandra.db.marshal."

// simpleType gives the CQL name of a class without parameters
// (org.apache.cassandra.cql3.CQL3Type.Native; LegacyTimeUUIDType is what 4.1+
// stores for timeuuid). Its cases are over the usual number: it is a table.
func simpleType(class string) string {
	switch class {
	case "AsciiType":
		return "ascii"
	case "BooleanType":
		return "boolean"
	case "ByteType":
		return "tinyint"
	case "BytesType":
		return "blob"
	case "CounterColumnType":
		return "counter"
	case "DecimalType":
		return "decimal"
	case "DoubleType":
		return "double"
	case "DurationType":
		return "duration"
	case "EmptyType":
		return "empty"
	case "FloatType":
		return "float"
	case "InetAddressType":
		return "inet"
	case "Int32Type":
		return "int"
	case "IntegerType":
		return "varint"
	case "LongType":
		return "bigint"
	case "ShortType":
		return "smallint"
	case "SimpleDateType":
		return "date"
	case "TimeType":
		return "time"
	}
	return otherSimpleType(class)
}

func otherSimpleType(class string) string {
	switch class {
	case "TimestampType":
		return "timestamp"
	case "TimeUUIDType", "LegacyTimeUUIDType":
		return "timeuuid"
	case "UTF8Type":
		return "text"
	case "UUIDType":
		return "uuid"
	}
	return ""
}

// parametrised gives the CQL name of a class with parameters.
func parametrised(class string) string {
	switch class {
	case "ListType":
		return "list"
	case "SetType":
		return "set"
	case "MapType":
		return "map"
	case "TupleType":
		return "tuple"
	case "FrozenType":
		return "frozen"
	case "VectorType":
		return "vector"
	}
	return ""
}

// classParser reads Class(param,param); depth bounds the recursion.
type classParser struct {
	text  string
	pos   int
	depth int
}

const maxTypeDepth = 100

func (p *classParser) parse() (string, error) {
	if p.depth++; p.depth > maxTypeDepth {
		return "", fmt.Errorf("more than %d levels", maxTypeDepth)
	}
	defer func() { p.depth-- }()
	name := p.word()
	class := strings.TrimPrefix(name, marshalPackage)
	open := p.pos < len(p.text) && p.text[p.pos] == '('
	switch kind := parametrised(class); {
	case class == "UserType" && open:
		return p.userType()
	case kind != "" && open:
		params, err := p.params()
		if err != nil {
			return "", err
		}
		return kind + "<" + strings.Join(params, ", ") + ">", nil
	case simpleType(class) != "" && !open:
		return simpleType(class), nil
	case p.depth > 1 && number(class):
		return class, nil // the dimension of a vector
	}
	return "", fmt.Errorf("class %q is not a CQL type", name)
}

func number(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// word takes a class name or number with the blanks around it.
func (p *classParser) word() string {
	from := p.pos
	for p.pos < len(p.text) && strings.IndexByte("(),", p.text[p.pos]) < 0 {
		p.pos++
	}
	return strings.TrimSpace(p.text[from:p.pos])
}

// params takes (class,class).
func (p *classParser) params() ([]string, error) {
	var out []string
	for p.pos < len(p.text) && p.text[p.pos] != ')' {
		p.pos++ // the opening bracket or a comma
		param, err := p.parse()
		if err != nil {
			return nil, err
		}
		out = append(out, param)
	}
	if p.pos >= len(p.text) {
		return nil, fmt.Errorf("brackets are not closed")
	}
	p.pos++
	return out, nil
}

// userType takes (keyspace,hex name,field:class,…) and gives the name.
func (p *classParser) userType() (string, error) {
	inner, depth := p.text[p.pos:], 0
	end := strings.IndexFunc(inner, func(r rune) bool {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		}
		return depth == 0
	})
	if end < 0 {
		return "", fmt.Errorf("brackets are not closed")
	}
	p.pos += end + 1
	parts := strings.SplitN(inner[1:end], ",", 3)
	if len(parts) < 2 {
		return "", fmt.Errorf("user type %q has no name", inner)
	}
	name, err := hex.DecodeString(strings.TrimSpace(parts[1]))
	if err != nil {
		return "", fmt.Errorf("name of user type %q: %w", inner, err)
	}
	return Quote(string(name)), nil
}
