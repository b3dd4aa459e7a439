// Package legs joins the calls of one clock domain that are legs of one call: a B2BUA shows two dialogs where people have
// one conversation. A join is a link, never a merge: each leg keeps its own Events.
//
// # Order of events
//
// Legs take the Events of a domain in the order of their Time, Key and Ordinal. What is joined follows from the Events in
// that order alone, whatever shards they came from. An Event of LinkKind carries the Evidence of a leg; one of CallKind
// is completed with what its leg is joined with by then.
//
// # Clock
//
// The clock is the Time of the Events. Legs are joined without evidence a while after they opened, and their link keys
// are dropped a while later: see Limits.
//
// # Limits
//
// Limits.Legs legs are remembered, of which 16 may have one link key and 64 may be joined with each other. Each limit has
// its counter in Counts.
package legs
