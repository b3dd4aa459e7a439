// Package dialog is one dialog as a value: what has been seen of a call attempt or of one answered fork of it, and what
// follows from that for its record: disposition, cause, who hung up, completeness.
//
// A Dialog knows no other dialog, no timer and no table: package calls holds Dialogs and changes them. Its saved form is
// a State.
package dialog
