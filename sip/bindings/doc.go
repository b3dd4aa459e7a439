// Package bindings follows registrations (RFC 3261 section 10): the REGISTERs under way, and the bindings that their
// 2xx made, until they expire.
//
// A Table takes REGISTERs and their responses; the final response on the hop of the first REGISTER decides. Its book
// holds the bindings by address-of-record and publishes each change of state.
//
// # Limits
//
// A Table has Limits.Bindings bindings and as many REGISTERs under way, and 64 bindings of one address-of-record. An
// inactive binding is evicted first, an active one never.
package bindings
