package event

import "time"

// Timer64T1 is 64*T1, how long an ACK or the end of a transaction is awaited, in nanoseconds (RFC 3261 section
// 17.1.1.2).
const Timer64T1 = int64(32 * time.Second)
