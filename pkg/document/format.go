package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// Version and Minor are the format of all documents that are written. A document
// of the first minor carries none. See docs/format.md for when each grows.
const (
	Version = 1
	Minor   = 2
)

// format is a format that a reader knows or a document has.
type format struct{ major, minor int }

func (f format) String() string { return fmt.Sprintf("%d.%d", f.major, f.minor) }

func (f format) newer(than format) bool {
	return f.major > than.major || (f.major == than.major && f.minor > than.minor)
}

// header is what every document begins with. It is read before anything else, so
// that a document of the future is named as such and not as one with an unknown
// field.
type header struct {
	Version int `json:"version"`
	Minor   int `json:"minor"`
	// Ignorable are the fields, dotted where they are not at the top, that a reader
	// of an older minor may ignore. Lists and maps have no part in the names.
	Ignorable []string `json:"ignorable"`
}

func (h header) format() format { return format{h.Version, h.Minor} }

// known are the header's fields that the types of the documents need not have.
func (header) known() []string { return []string{"minor", "ignorable"} }

// NewerError is a document that only a newer casshook can read.
type NewerError struct {
	format format
	field  string
}

// Error implements error.
func (e *NewerError) Error() string {
	text := "format " + e.format.String()
	if e.field != "" {
		text += ", field " + e.field
	}
	return fmt.Sprintf("written by a newer casshook (%s): needs casshook with format %s or newer", text, e.format)
}

// checked is implemented by documents whose fields have rules of their own.
type checked interface{ Check() error }

// Decode reads a document strictly: a field that its format does not have, or
// anything after the document, is an error. Of a newer minor it ignores what that
// marks as ignorable; what it cannot read gives a NewerError.
func Decode(content []byte, into any) error {
	return decode(content, into, format{Version, Minor})
}

func decode(content []byte, into any, reader format) error {
	var h header
	if err := json.Unmarshal(content, &h); err != nil {
		return err
	}
	switch {
	case h.Version < 1 || h.Minor < 0:
		return fmt.Errorf("invalid document version %s", h.format())
	case h.Version > reader.major:
		return &NewerError{format: h.format()}
	case h.Minor > 0 || len(h.Ignorable) > 0: // a second decoding, which most need not pay for
		if err := fitFields(content, into, h, reader); err != nil {
			return err
		}
		if err := json.Unmarshal(content, into); err != nil {
			return err
		}
	default:
		if err := decodeStrictly(content, into); err != nil {
			return err
		}
	}
	if c, ok := into.(*Cluster); ok {
		c.normalize()
	}
	if c, ok := into.(checked); ok {
		return c.Check()
	}
	return nil
}

func decodeStrictly(content []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("content after the end of the document")
	}
	return nil
}

// fitFields refuses fields that the type does not have, but for those that a
// newer minor marks.
func fitFields(content []byte, into any, h header, reader format) error {
	var fields map[string]any
	if err := json.Unmarshal(content, &fields); err != nil {
		return err
	}
	for _, name := range h.known() {
		delete(fields, name)
	}
	for _, field := range unknown(fields, reflect.TypeOf(into), "") {
		switch {
		case !h.format().newer(reader):
			return fmt.Errorf("unknown field %q", field)
		case !slices.Contains(h.Ignorable, field):
			return &NewerError{h.format(), field}
		}
	}
	return nil
}

// unknown lists the fields of decoded JSON that a type does not have, dotted and
// sorted. Types that decode themselves, and what is no struct, have them all.
func unknown(value any, t reflect.Type, path string) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return nil
	}
	var found []string
	switch value := value.(type) {
	case []any:
		if t.Kind() == reflect.Slice || t.Kind() == reflect.Array {
			for _, v := range value {
				found = append(found, unknown(v, t.Elem(), path)...)
			}
		}
	case map[string]any:
		for name, v := range value {
			switch t.Kind() {
			case reflect.Map:
				found = append(found, unknown(v, t.Elem(), path)...)
			case reflect.Struct:
				if field, ok := fieldOf(t, name); ok {
					found = append(found, unknown(v, field, path+name+".")...)
				} else {
					found = append(found, path+name)
				}
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// fieldOf finds the type of a struct's field by its name in JSON, which decoding
// compares without regard to case.
func fieldOf(t reflect.Type, name string) (reflect.Type, bool) {
	for _, f := range reflect.VisibleFields(t) {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "" {
			tag = f.Name
		}
		if f.IsExported() && strings.EqualFold(tag, name) {
			return f.Type, true
		}
	}
	return nil, false
}
