// Package scenario says what load clients do: how many there are, which rooms they join, what they send and how fast, what
// befalls them on the way; and it audits what they receive.
//
// The clients of one process are a squad, those of one loop a crew. A run goes through the same steps in each squad: connect, begin,
// mark, end, settle, audit. One command may run several squads, each in a process of its own.
package scenario
