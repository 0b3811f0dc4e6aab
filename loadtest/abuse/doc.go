// Package abuse throws what attackers send at a whole cluster, while honest clients go on. It consists of a test alone: its table, in
// the files named after what is abused, is the catalogue; each entry says what the attacker sees.
package abuse
