// Package architecture checks the rules of this codebase that a parser can see: which
// way imports run, who may start a goroutine, what must have a comment, how long things may be. Its test
// runs them over the whole tree.
//
// A rule is waived for one line by a comment on the line above it, which names the rule and gives the reason:
//
//	//patchbay:goroutine accepts until Stop, which waits for it on l.done
//
// A waiver without a reason is a fault, and so is one that nothing needs.
package architecture
