package event

import "time"

// Timer64T1 is 64*T1, how long an ACK or the end of a transaction is awaited, in nanoseconds (RFC 3261 section
// 17.1.1.2).
const Timer64T1 = int64(32 * time.Second)

// Day is a day of UTC, in nanoseconds.
const Day = int64(24 * time.Hour)

// DayOf returns the days since 1970 in UTC at a time in Unix nanoseconds.
func DayOf(ns int64) int32 { return int32(ns / Day) }
