package host

import (
	"cmp"
	"sync"
)

// A failure is what keeps a server from writing until it is another.
type failure struct {
	mu      sync.Mutex
	why     error         // the first error that the server has kept; nil while it writes
	was     error         // that of the server before, while it is started anew
	healing chan struct{} // closed when that has ended; nil while it is not started anew
	each    func(error)   // is called with each failure; nil for nothing
}

// note begins a failure, unless there is one.
func (f *failure) note(why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.why != nil {
		return
	}
	if f.why = why; f.each != nil {
		f.each(why)
	}
}

// cause returns why the server does not write, nil if it does.
func (f *failure) cause() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return cmp.Or(f.was, f.why)
}

// attempt returns what is closed when the attempt that is made has ended, nil without one.
func (f *failure) attempt() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.healing
}

// begin begins an attempt.
func (f *failure) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.was, f.why, f.healing = f.why, nil, make(chan struct{})
}

// end ends an attempt with its error, and returns why the server still does not write.
func (f *failure) end(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.healing)
	f.why, f.was, f.healing = cmp.Or(f.why, err), nil, nil
	return f.why
}
