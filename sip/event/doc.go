// Package event has the Events about calls, registrations and devices that SIP messages lead to, and the Keys by which
// messages and Events are found.
//
// An Event is one fact, as certain as it can be at its Stage. Its texts are Facts; whatever else could name a person is
// a Key, a hash under a key of the fleet. This package holds values only: packages calls, bindings, legs and devices
// keep state and fill Events.
//
// # Clock
//
// Times of Events are packet times. A Clock converts them to a steady count of nanoseconds without the jumps of the
// packets' clock. It is moved by packets, never by the time of day.
//
// # Order of events
//
// Events of all shards have one order: by Time, Key and Ordinal. It is the same for any number of shards.
package event
