// Package hops remembers what the network hops of a call have shown: where its INVITE went, which forks rang and
// answered, what the final responses were, and which messages were seen before.
//
// A hop is an unordered pair of addresses. The caller's hop decides how a call came out; what other hops show fills the
// gaps. A View is what one hop has shown, a Path the Views of one call, and a Table holds the Paths of many calls.
//
// # Limits
//
// A Path has 8 hops, each with the times of 16 forks and the tags of 64; 3,072 messages of a call are known as repeats.
// What is left out is counted.
package hops
