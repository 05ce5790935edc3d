// Package lint holds the rules of this code base that no linter knows: which
// package may import which, and the budgets of files and functions. They are
// tests, so that they run wherever the tests run.
package lint
