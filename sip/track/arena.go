package track

// An arena keeps texts of up to 32 KiB by number, in blocks of sizes that grow by a half and a third in turn, so that
// what is given back fits the next of its size. Number 0 is the empty text.
type arena struct{ classes [len(sizes)]class }

// sizes are those of the blocks, in bytes.
var sizes = [...]int{128, 192, 256, 384, 512, 768, 1 << 10, 3 << 9, 2 << 10, 3 << 10, 4 << 10, 6 << 10, 8 << 10,
	12 << 10, 16 << 10, 24 << 10, 32 << 10}

const (
	largest   = 32 << 10
	pageBytes = 64 << 10
)

type class struct {
	pages [][]byte
	free  []uint32
	used  uint32
}

// A text is a text in an arena.
type text struct {
	block uint32 // its number in its class, from 1
	len   uint16
	class uint8
}

// get returns the bytes of t. They are the arena's own.
func (a *arena) get(t text) []byte {
	if t.block == 0 {
		return nil
	}
	return a.block(t)[:t.len]
}

// put stores b in place of t and returns where; what is longer than the largest block is cut.
func (a *arena) put(t text, b []byte) text {
	b = b[:min(len(b), largest-1)]
	want := classOf(len(b))
	if t.block == 0 || t.class != want {
		a.give(t)
		t = a.take(want)
	}
	t.len = uint16(copy(a.block(t), b))
	return t
}

// give takes t's block back.
func (a *arena) give(t text) {
	if t.block != 0 {
		c := &a.classes[t.class]
		c.free = append(c.free, t.block)
	}
}

// classOf returns the class of the smallest blocks that hold n bytes.
func classOf(n int) uint8 {
	for i, size := range sizes {
		if n <= size {
			return uint8(i)
		}
	}
	return uint8(len(sizes) - 1)
}

func (a *arena) take(want uint8) text {
	c := &a.classes[want]
	if last := len(c.free) - 1; last >= 0 {
		t := text{block: c.free[last], class: want}
		c.free = c.free[:last]
		return t
	}
	perPage := uint32(pageBytes / sizes[want])
	if c.used%perPage == 0 {
		c.pages = append(c.pages, make([]byte, pageBytes))
	}
	c.used++
	return text{block: c.used, class: want}
}

func (a *arena) block(t text) []byte {
	size := sizes[t.class]
	perPage := uint32(pageBytes / size)
	n := t.block - 1
	from := int(n%perPage) * size
	return a.classes[t.class].pages[n/perPage][from : from+size]
}
