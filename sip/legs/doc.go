// Package legs joins the calls of one clock domain that are legs of one call, as the two sides of a B2BUA are. A join
// is a link, never a merge: each leg keeps its own Events.
//
// # Order of events
//
// Legs take the Events of a domain in the order of their Time, Key and Ordinal. Joins depend on the Events in that
// order alone, whatever shards they came from. An Event of LinkKind has the Evidence of a leg; one of CallKind gets the
// groups of its leg at that time.
//
// # Clock
//
// The clock is the Time of the Events. Legs are joined without evidence a while after they opened, and their link keys
// are dropped a while later: see Limits.
//
// # Limits
//
// Limits.Legs legs are remembered, of which 16 may have one link key and 64 may be joined with each other. Each limit
// has its counter in Counts.
package legs
