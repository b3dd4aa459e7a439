// Package dialog has one dialog as a value: what was seen of a call attempt or of one answered fork of it, and what follows
// for its record: disposition, cause, who ended it, completeness.
//
// A Dialog depends on no other dialog, timer or table: package calls holds Dialogs and changes them. Its saved form is a
// State.
package dialog
