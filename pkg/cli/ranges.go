package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/pflag"
)

// ranged is a flag whose value has a legal range: what is outside of it is wrong usage,
// wherever the value comes from.
type ranged[T int | int64 | float64 | time.Duration] struct {
	value *T
	// kind is what the help calls it, form what a value looks like.
	kind, form string
	least      T
	most       T
	parse      func(string) (T, error)
}

// Set implements pflag.Value.
func (r *ranged[T]) Set(text string) error {
	v, err := r.parse(text)
	if err != nil || !(v >= r.least && v <= r.most) { // no comparison with NaN is true
		return fmt.Errorf("must be %s", r.form)
	}
	*r.value = v
	return nil
}

// String implements pflag.Value.
func (r *ranged[T]) String() string {
	if r.value == nil {
		return ""
	}
	return fmt.Sprint(*r.value)
}

// Type implements pflag.Value.
func (r *ranged[T]) Type() string { return r.kind }

// longest is the longest time that a flag takes, far below what overflows when limits are added up.
const longest = 365 * 24 * time.Hour

// number is a flag that takes a number or a time.
type number struct {
	flags       *pflag.FlagSet
	name, usage string
}

// timeout is for how long to wait at most.
func (n number) timeout(value *time.Duration, standard time.Duration) {
	*value = standard
	n.flags.Var(&ranged[time.Duration]{value, "duration", "a duration from 1ms to 8760h, such as 90s or 15m", time.Millisecond, longest, time.ParseDuration}, n.name, n.usage)
}

// period is a time of which 0 has a meaning of its own.
func (n number) period(value *time.Duration, standard time.Duration) {
	*value = standard
	n.flags.Var(&ranged[time.Duration]{value, "duration", "a duration from 0 to 8760h, such as 90s or 15m", 0, longest, time.ParseDuration}, n.name, n.usage)
}

// fraction is a part of a whole.
func (n number) fraction(value *float64, standard float64) {
	*value = standard
	parse := func(text string) (float64, error) { return strconv.ParseFloat(text, 64) }
	n.flags.Var(&ranged[float64]{value, "float", "a fraction from 0 to 1, such as 0.05 for 5%", 0, 1, parse}, n.name, n.usage)
}

// count is a number of things, from 1 on.
func (n number) count(value *int, standard, most int) {
	*value = standard
	n.flags.Var(&ranged[int]{value, "int", fmt.Sprintf("a number from 1 to %d", most), 1, most, strconv.Atoi}, n.name, n.usage)
}

// user is a user of a container; not given it is 0.
func (n number) user(value *int64) {
	const most = 1<<31 - 1 // of Kubernetes
	parse := func(text string) (int64, error) { return strconv.ParseInt(text, 10, 64) }
	n.flags.Var(&ranged[int64]{value, "int", fmt.Sprintf("a user id from 1 to %d; leave it out for the default", most), 1, most, parse}, n.name, n.usage)
}
