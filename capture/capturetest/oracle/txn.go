package oracle

import "time"

// A txn is one request inside a dialog, seen on one hop or on several, and what became of it.
type txn struct {
	method   string
	side     string // who sent it
	on       hop    // of the first copy
	fork     string // To tag on the caller's hop; other for a dialog that none of the forks is
	seq      int
	request  *Message      // the first copy; nil when none was seen
	at       time.Duration // of request, else of the 2xx
	accepted time.Duration // first 2xx; Never without one
	refusal  *Message      // first other final response, unless it was accepted
	refused  time.Duration
	expires  int
	sdp      string // direction of the request
	reply    string // of the 2xx
}

// challenged reports whether t was answered by 401 or 407 and by nothing better.
func (t *txn) challenged() bool {
	return t.accepted == Never && t.refusal != nil && (t.refusal.Status == 401 || t.refusal.Status == 407)
}

// answeredAt is when t's final response was seen, Never without one. 401 and 407 are none: they wait for the retry.
func (t *txn) answeredAt() time.Duration {
	if t.accepted != Never {
		return t.accepted
	}
	if t.challenged() {
		return Never
	}
	return t.refused
}

// behind returns t with the request of the one that was challenged, if its own was not seen.
func (t *txn) behind(challenged *txn) *txn {
	both := *t
	if both.request == nil {
		both.request = challenged.request
	}
	return &both
}

// A raw is the messages of one transaction inside a dialog on one hop.
type raw struct {
	request *Message
	replies []*Message
}

// transaction names a raw.
type transaction struct {
	on             hop
	branch, method string
	seq            int
}
