package event

import "time"

// Timer64T1 is 64*T1, the longest wait for an ACK or the end of a transaction, in nanoseconds (RFC 3261 section
// 17.1.1.2).
const Timer64T1 = int64(32 * time.Second)

// Day is a day of UTC, in nanoseconds.
const Day = int64(24 * time.Hour)

// DayOf returns the day of ns (Unix nanoseconds) in UTC, counted from 1970.
func DayOf(ns int64) int32 { return int32(ns / Day) }
