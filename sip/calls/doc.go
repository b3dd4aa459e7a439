// Package calls follows the calls of one shard: a table of dialogs, and what each message does to it.
//
// Table.Observe finds the call of a message in its lookup; request.go and response.go give it to the file of its kind:
// invite.go, answer.go, bye.go, changes.go (re-INVITE, UPDATE, REFER), midcall.go (what was not seen from its
// beginning). A lookup decides which fork a message inside a dialog is of. table.go and terminate.go publish. An
// admission decides which calls are followed; save.go has what outlives a restart.
//
// # Clock
//
// Time is the steady clock of package event, in nanoseconds. Timers expire at their own time, whatever the time of the
// message that moves the clock.
//
// # Limits
//
// A Table has Limits.Calls dialogs. When it is full, a dialog whose end was published is evicted first, then the oldest
// of the largest class of those that the called side has not confirmed; an answered call is never evicted.
package calls
