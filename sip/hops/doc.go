// Package hops keeps what the network hops of a call have shown: where its INVITE went, which forks rang and answered,
// the final responses, and which messages were seen before.
//
// A hop is an unordered pair of addresses. The caller's hop decides the outcome of a call; other hops fill its gaps. A
// View is what one hop has shown, a Path the Views of one call, and a Table holds the Paths of many calls.
//
// # Limits
//
// A Path has 8 hops, each with the times of 16 forks and the tags of 64. Repeats of the last 3,072 messages of a call
// are recognised. What exceeds a limit is counted.
package hops
