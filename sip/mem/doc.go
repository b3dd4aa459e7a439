// Package mem keeps many small values of a kind cheaply: by number instead of by pointer, so that the garbage collector
// has nothing to follow.
//
// A Slab hands out the numbers, from 1; 0 stands for none. Deadlines, Lists and List refer to values by these
// numbers, and an Arena keeps texts likewise.
//
// # Limits
//
// Memory grows with the highest number that was in use at one time and is never given back to the system. Whoever takes
// numbers bounds how many there are. Only a Budget may be used by several goroutines.
package mem
