// Package roundtrip holds the tests on real rings, behind the build tag ring:
// backup, disaster, restore and proof, and everything that must be refused.
package roundtrip
