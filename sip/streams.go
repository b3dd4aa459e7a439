package sip

// What a Reader remembers of streams. What does not fit is counted in Evicted, and what was longest without a
// payload goes.
const (
	maxStreams = 20_000
	maxBuffers = 512
	bufferSize = 64 << 10
)

// streams are the byte streams that a Reader follows. An idle one has no buffer.
type streams struct {
	index   map[uint64]int32 // number to place in all
	all     []stream         // place 0 is none
	used    order            // places of all, by their last payload
	bufs    []buffer         // place 0 is none
	owners  []int32          // of bufs, places in all
	held    order            // places of bufs, by their last use
	free    []int32          // places of all
	spare   []int32          // places of bufs
	joined  []byte           // what came in masked frames, or in several
	skipped int              // bytes of the payload at hand that were passed over
	idle    int              // those that are not meant to bring anything: keep-alives
}

// of returns the place of the stream of that number.
func (t *streams) of(number uint64, c *counters) int32 {
	if i, ok := t.index[number]; ok {
		t.used.touch(i)
		return i
	}
	if t.index == nil {
		t.index, t.all = map[uint64]int32{}, make([]stream, 1)
		t.bufs, t.owners = make([]buffer, 1), make([]int32, 1)
	}
	if len(t.index) >= maxStreams {
		t.drop(t.used.oldest())
		c.evicted.Add(1)
	}
	i := take(&t.free, len(t.all))
	if int(i) == len(t.all) {
		t.all = append(t.all, stream{})
	}
	t.all[i] = stream{number: number}
	t.index[number] = i
	t.used.push(i)
	return i
}

// take takes a place off list, or the next one that there is not yet.
func take(list *[]int32, next int) int32 {
	n := len(*list)
	if n == 0 {
		return int32(next)
	}
	i := (*list)[n-1]
	*list = (*list)[:n-1]
	return i
}

// drop forgets the stream in place i.
func (t *streams) drop(i int32) {
	s := &t.all[i]
	if s.buf > 0 {
		t.release(s)
	}
	delete(t.index, s.number)
	t.used.remove(i)
	t.free = append(t.free, i)
}

// hold copies b to a buffer for s.
func (t *streams) hold(s *stream, b []byte, c *counters) *buffer {
	if len(t.bufs)-1-len(t.spare) >= maxBuffers {
		oldest := &t.all[t.owners[t.held.oldest()]]
		c.skipped.Add(uint64(len(t.bufs[oldest.buf].b)))
		t.release(oldest)
		oldest.restart(torn)
		c.evicted.Add(1)
	}
	i := take(&t.spare, len(t.bufs))
	if int(i) == len(t.bufs) {
		t.bufs = append(t.bufs, buffer{b: make([]byte, 0, bufferSize)})
		t.owners = append(t.owners, 0)
	}
	s.buf, t.owners[i] = i, t.index[s.number]
	t.held.push(i)
	t.bufs[i].b = append(t.bufs[i].b[:0], b...)
	return &t.bufs[i]
}

// release takes the buffer of s away.
func (t *streams) release(s *stream) {
	t.held.remove(s.buf)
	t.spare = append(t.spare, s.buf)
	s.buf = 0
}

// An order is a ring of places, the one longest without a touch at its end. Place 0 is where it begins.
type order []struct{ older, newer int32 }

func (o *order) push(i int32) {
	for len(*o) <= int(i) {
		*o = append(*o, struct{ older, newer int32 }{})
	}
	l := *o
	l[i].older, l[i].newer = l[0].older, 0
	l[l[0].older].newer = i
	l[0].older = i
}

func (o *order) remove(i int32) {
	l := *o
	l[l[i].older].newer = l[i].newer
	l[l[i].newer].older = l[i].older
}

func (o *order) touch(i int32) {
	o.remove(i)
	o.push(i)
}

// oldest returns the place that was not touched for longest.
func (o *order) oldest() int32 { return (*o)[0].newer }
