// Package report makes of a run's outcome what people read: a table, JSON, a page with plots, a comparison of several runs, and a verdict
// on objectives.
package report
