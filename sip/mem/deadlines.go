package mem

// Deadlines are timers of the numbers of a Slab, one for each number, in Unix nanoseconds. To postpone a timer takes
// constant time, as it happens at almost every message; to bring one forward takes O(log n). The zero Deadlines are
// empty.
type Deadlines struct {
	heap  []timer
	times []int64  // by number: when its timer expires; a timer in heap may have an earlier time
	place []uint32 // by number: its index in heap plus 1; 0 without a timer
}

// A timer stands in the heap with the earliest time that it was set to, until that time has come.
type timer struct {
	time int64
	n    uint32
}

// Set schedules n's timer for t (Unix nanoseconds), in place of the time that it had.
func (d *Deadlines) Set(n uint32, t int64) {
	for int(n) >= len(d.place) {
		d.place, d.times = append(d.place, 0), append(d.times, 0)
	}
	d.times[n] = t
	switch p := d.place[n]; {
	case p == 0:
		d.heap = append(d.heap, timer{t, n})
		d.place[n] = uint32(len(d.heap))
		d.up(len(d.heap) - 1)
	case t < d.heap[p-1].time:
		d.heap[p-1].time = t
		d.up(int(p) - 1)
	}
}

// When returns the time of n's timer, 0 without one.
func (d *Deadlines) When(n uint32) int64 {
	if int(n) >= len(d.place) || d.place[n] == 0 {
		return 0
	}
	return d.times[n]
}

// Stop removes n's timer, if it has one.
func (d *Deadlines) Stop(n uint32) {
	if int(n) >= len(d.place) || d.place[n] == 0 {
		return
	}
	i, last := int(d.place[n])-1, len(d.heap)-1
	d.swap(i, last)
	d.heap = d.heap[:last]
	d.place[n] = 0
	if i < last {
		d.up(i)
		d.down(i)
	}
}

// Expired removes the earliest timer that expires at now or before, and returns its number and time.
func (d *Deadlines) Expired(now int64) (n uint32, t int64, ok bool) {
	if n, t, ok = d.First(now); ok {
		d.Stop(n)
	}
	return n, t, ok
}

// First returns the earliest timer that expires at now or before, and leaves it.
func (d *Deadlines) First(now int64) (n uint32, t int64, ok bool) {
	for len(d.heap) > 0 && d.heap[0].time <= now {
		first := d.heap[0]
		postponed := d.times[first.n]
		if postponed <= first.time {
			return first.n, first.time, true
		}
		d.heap[0].time = postponed
		d.down(0)
	}
	return 0, 0, false
}

func (d *Deadlines) up(i int) {
	for i > 0 && d.heap[i].time < d.heap[(i-1)/2].time {
		d.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (d *Deadlines) down(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(d.heap); c++ {
			if d.heap[c].time < d.heap[least].time {
				least = c
			}
		}
		if least == i {
			return
		}
		d.swap(i, least)
		i = least
	}
}

func (d *Deadlines) swap(i, j int) {
	d.heap[i], d.heap[j] = d.heap[j], d.heap[i]
	d.place[d.heap[i].n], d.place[d.heap[j].n] = uint32(i+1), uint32(j+1)
}
