// Package devices keeps what is known of the devices that register and call in one clock domain, as they claim to be.
//
// A device is known by its instance-id, else by the hardware address that its User-Agent or instance-id names, else by its
// binding: the address-of-record and the Contact. A tool that scans is known by the address from which it does.
//
// # Order of events
//
// Devices take the Events of a domain in the order of their Time, Key and Ordinal, so that what is published is the same
// for any number of shards. A device is published when it is seen first, when its vendor, model, firmware, kind or flags
// change, and once a day of UTC.
//
// # Limits
//
// No more devices are remembered than the limit given to New. When there is no room, the one that was seen longest ago is
// forgotten, and counted; when it is seen again, it is published as a new one.
package devices
