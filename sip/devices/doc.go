// Package devices follows the devices that register and call in one clock domain, as they describe themselves.
//
// A device is identified by its instance-id, else by the hardware address in its User-Agent or instance-id, else by its
// binding: the address-of-record and the Contact. A scanner is identified by its address.
//
// # Order of events
//
// Devices take the Events of a domain in the order of their Time, Key and Ordinal, so that what is published is the
// same for any number of shards. A device is published when it is seen first, when its vendor, model, firmware, kind or
// flags change, and once a day of UTC.
//
// # Limits
//
// New takes the limit of devices. If there are too many, the one whose last message is oldest is evicted and counted;
// when it is seen again, it is published as a new one.
package devices
