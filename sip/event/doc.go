// Package event is what following SIP messages brings out: Events about calls, registrations and devices, and the Keys that
// messages and Events are found by.
//
// An Event is one fact, as certain as it will get at its Stage. Its texts are Facts; whatever else could name a person is
// a Key, a hash under a key of the fleet. Nothing here remembers: packages calls, bindings, legs and devices do, and fill
// Events.
//
// # Clock
//
// Times of Events are packet times. A Clock makes of them a steady count in nanoseconds, in which a jump of the packets'
// clock does not show; it is moved by those who see packets, never by the time of day.
//
// # Order of events
//
// Events of all shards have one order: by Time, Key and Ordinal. It is the same for any number of shards.
package event
