package mem

// An Arena keeps texts of fewer than 32 KiB by number, in blocks of sizes that grow by a half and a third in turn, so
// that a freed block fits the next text of its size. The zero Arena is empty.
type Arena struct{ classes [len(sizes)]class }

// A Text is where an Arena keeps a text. The zero Text is empty.
type Text struct {
	block  uint32 // its number in its class, from 1; 0 without one
	length uint16 // bytes
	class  uint8
}

// MaxText is the length of the longest text, in bytes.
const MaxText = 32<<10 - 1

// sizes are the sizes of blocks by class, in bytes.
var sizes = [...]int{128, 192, 256, 384, 512, 768, 1 << 10, 3 << 9, 2 << 10, 3 << 10, 4 << 10, 6 << 10, 8 << 10,
	12 << 10, 16 << 10, 24 << 10, 32 << 10}

const pageBytes = 64 << 10 // blocks are allocated by pages

// A class is the blocks of one size.
type class struct {
	pages [][]byte
	free  []uint32
	used  uint32 // blocks ever taken
}

// Get returns the bytes of t, which belong to the Arena: they are valid until the next Put.
func (a *Arena) Get(t Text) []byte {
	if t.block == 0 {
		return nil
	}
	return a.block(t)[:t.length]
}

// Put stores a copy of b in place of t and returns where it is. It cuts b at MaxText bytes.
func (a *Arena) Put(t Text, b []byte) Text {
	b = b[:min(len(b), MaxText)]
	want := classOf(len(b))
	if t.block == 0 || t.class != want {
		a.Free(t)
		t = a.take(want)
	}
	t.length = uint16(copy(a.block(t), b))
	return t
}

// Free frees the block of t, which is not used any more.
func (a *Arena) Free(t Text) {
	if t.block != 0 {
		c := &a.classes[t.class]
		c.free = append(c.free, t.block)
	}
}

// classOf returns the class of the smallest blocks that have room for n bytes.
func classOf(n int) uint8 {
	for i, size := range sizes {
		if n <= size {
			return uint8(i)
		}
	}
	return uint8(len(sizes) - 1)
}

// take returns a block of a class.
func (a *Arena) take(want uint8) Text {
	c := &a.classes[want]
	if last := len(c.free) - 1; last >= 0 {
		t := Text{block: c.free[last], class: want}
		c.free = c.free[:last]
		return t
	}
	perPage := uint32(pageBytes / sizes[want])
	if c.used%perPage == 0 {
		c.pages = append(c.pages, make([]byte, pageBytes))
	}
	c.used++
	return Text{block: c.used, class: want}
}

func (a *Arena) block(t Text) []byte {
	size := sizes[t.class]
	perPage := uint32(pageBytes / size)
	n := t.block - 1
	start := int(n%perPage) * size
	return a.classes[t.class].pages[n/perPage][start : start+size]
}
