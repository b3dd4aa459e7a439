package sqlite

import (
	"encoding/binary"
	"errors"
	"io"
	"os"

	"sipsieve/store/policy"
)

// The format of SQLite's files: https://www.sqlite.org/fileformat2.html, sections 1.6, 2.1 and 4.1.
const (
	pageSize     = 4096 // of all partitions
	schemaHeader = 100  // bytes before the first page's own header
	leafTable    = 0x0d // first byte of a page with rows
	logHeader    = 32   // bytes before the first frame of a log
	frameHeader  = 24   // bytes before the page of a frame
	payloadLimit = 16 << 20
)

// salvaged reads the rows that are intact in the files of a partition that was set aside: page by page, whatever else of
// the file can be read, from the database and from its log. Rows may come twice and in older revisions. It gives
// them to put, up to commitLimit at once.
func salvaged(path string, put func([]policy.Excerpt) error) error {
	p, err := openPages(path)
	if err != nil {
		return wrap("read out", err)
	}
	defer p.close()
	var xs []policy.Excerpt
	for n := range p.count() {
		page := p.at(n)
		for _, r := range p.rows(page, n >= p.pages) {
			xs = append(xs, r...)
		}
		if len(xs) >= commitLimit {
			if err := put(xs); err != nil {
				return err
			}
			xs = nil
		}
	}
	if len(xs) == 0 {
		return nil
	}
	return put(xs)
}

// pages are those of a database, then those of its log in the order in which they were written.
type pages struct {
	db, log *os.File // log is nil without one
	pages   int64    // of the database
	frames  int64
	latest  map[uint32]int64 // page number to its last frame
}

func openPages(path string) (*pages, error) {
	p := &pages{latest: map[uint32]int64{}}
	var err error
	if p.db, err = os.Open(path); errors.Is(err, os.ErrNotExist) {
		p.db, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	if p.log, err = os.Open(path + "-wal"); errors.Is(err, os.ErrNotExist) {
		p.log, err = nil, nil
	}
	p.pages = sizeOf(p.db) / pageSize
	p.frames = max(0, sizeOf(p.log)-logHeader) / (frameHeader + pageSize)
	for n := range p.frames {
		var number [4]byte
		if _, err := p.log.ReadAt(number[:], logHeader+n*(frameHeader+pageSize)); err == nil {
			p.latest[binary.BigEndian.Uint32(number[:])] = n
		}
	}
	return p, err
}

// sizeOf returns the size of a file, 0 without one.
func sizeOf(f *os.File) int64 {
	if f == nil {
		return 0
	}
	stat, err := f.Stat()
	if err != nil {
		return 0
	}
	return stat.Size()
}

func (p *pages) close() {
	for _, f := range []*os.File{p.db, p.log} {
		if f != nil {
			_ = f.Close()
		}
	}
}

func (p *pages) count() int64 { return p.pages + p.frames }

// at returns the n-th page, nil if it cannot be read.
func (p *pages) at(n int64) []byte {
	page := make([]byte, pageSize)
	var err error
	if n < p.pages {
		_, err = p.db.ReadAt(page, n*pageSize)
	} else {
		_, err = p.log.ReadAt(page, logHeader+(n-p.pages)*(frameHeader+pageSize)+frameHeader)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	return page
}

// numbered returns the page of that number: of the log, if it has one and logged is true, else of the database.
func (p *pages) numbered(number uint32, logged bool) []byte {
	if frame, ok := p.latest[number]; ok && logged {
		return p.at(p.pages + frame)
	}
	if number == 0 || int64(number) > p.pages {
		return nil
	}
	return p.at(int64(number) - 1)
}

// rows returns what the rows of a page were made of, as far as they are intact.
func (p *pages) rows(page []byte, logged bool) (all [][]policy.Excerpt) {
	if len(page) < pageSize || page[0] != leafTable {
		return nil
	}
	cells := int(binary.BigEndian.Uint16(page[3:]))
	for i := range min(cells, (pageSize-8)/2) {
		start := int(binary.BigEndian.Uint16(page[8+2*i:]))
		if start < 8 || start >= pageSize {
			continue
		}
		for _, first := range []bool{logged, !logged} { // what does not fit into the page lies in one of two files
			if xs := excerptsOf(p.payload(page[start:], first)); xs != nil {
				all = append(all, xs)
				break
			}
		}
	}
	return all
}

// payload returns the record of a cell, nil if it is cut off.
func (p *pages) payload(cell []byte, logged bool) []byte {
	size, n := varint(cell)
	_, m := varint(cell[n:])
	cell = cell[n+m:]
	if size <= 0 || size > payloadLimit {
		return nil
	}
	const most, least = pageSize - 35, (pageSize-12)*32/255 - 23
	local := int(size)
	if size > most {
		if local = least + int(size-least)%(pageSize-4); local > most {
			local = least
		}
	}
	if local > len(cell) {
		return nil
	}
	payload := append([]byte(nil), cell[:local]...)
	next := cell[local:]
	for left := int(size) - local; left > 0; {
		if len(next) < 4 {
			return nil
		}
		next = p.numbered(binary.BigEndian.Uint32(next), logged)
		if next == nil {
			return nil
		}
		part := min(left, pageSize-4)
		payload = append(payload, next[4:4+part]...)
		left -= part
	}
	return payload
}

// varint returns the number that b begins with, and its length; 0 and 0 if b ends in it.
func varint(b []byte) (n int64, length int) {
	for i := range min(len(b), 9) {
		if i == 8 {
			return n<<8 | int64(b[i]), 9
		}
		n = n<<7 | int64(b[i]&0x7f)
		if b[i] < 0x80 {
			return n, i + 1
		}
	}
	return 0, 0
}

// Columns of a row by their place in a record: see ownColumns.
const (
	columnID    = 0
	columnBody  = 7
	columnSpool = 10
	columnSeq   = 11
	columnParts = 12
	columnSum   = 18
	columns     = 20 // call_id, which version 1 has not, is the last
)

// excerptsOf returns what a row was made of, nil unless it is intact: with its checksum, or of an older version that
// had none with a body of its id.
func excerptsOf(payload []byte) []policy.Excerpt {
	texts, numbers := readRecord(payload)
	if len(texts) <= columnBody || len(texts) > columns {
		return nil
	}
	text := func(i int) []byte {
		if i >= len(texts) {
			return nil
		}
		return texts[i]
	}
	number := func(i int) int64 {
		if i >= len(numbers) {
			return 0
		}
		return numbers[i]
	}
	published := policy.Sequence{Stream: number(columnSpool), Number: uint64(number(columnSeq))}
	row, err := rowOf(text(columnBody), text(columnParts), published)
	if err != nil || row.ID != string(text(columnID)) {
		return nil
	}
	if len(texts) > columnSum {
		r := record{id: string(texts[0]), kind: string(texts[1]), sensor: string(texts[2]), stage: string(texts[3]),
			revision: numbers[4], status: string(texts[5]), completeness: numbers[6], body: texts[columnBody],
			dialog: string(texts[8]), unseen: numbers[9], stream: numbers[columnSpool], position: numbers[columnSeq],
			parts: texts[columnParts]}
		if r.sum() != numbers[columnSum] {
			return nil
		}
	}
	if row.Parts != nil {
		return row.Parts
	}
	return []policy.Excerpt{row.Excerpt}
}

// readRecord returns the values of a record, each as text or number; none if it is malformed.
func readRecord(payload []byte) (texts [][]byte, numbers []int64) {
	size, n := varint(payload)
	if n == 0 || size < int64(n) || size > int64(len(payload)) {
		return nil, nil
	}
	header, values := payload[n:size], payload[size:]
	for len(header) > 0 {
		kind, n := varint(header)
		if n == 0 || kind < 0 {
			return nil, nil
		}
		header = header[n:]
		length := lengthOf(kind)
		if length > int64(len(values)) {
			return nil, nil
		}
		value := values[:length]
		values = values[length:]
		switch {
		case kind >= 12:
			texts, numbers = append(texts, value), append(numbers, 0)
		case kind == 8 || kind == 9:
			texts, numbers = append(texts, nil), append(numbers, kind-8)
		default:
			texts, numbers = append(texts, nil), append(numbers, integer(value))
		}
	}
	return texts, numbers
}

// lengthOf returns how many bytes a value of that serial type has.
func lengthOf(kind int64) int64 {
	if kind >= 12 {
		return (kind - 12) / 2
	}
	return []int64{0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0}[kind]
}

// integer returns a number of two's complement.
func integer(value []byte) (n int64) {
	for i, b := range value {
		if i == 0 {
			n = int64(int8(b))
		} else {
			n = n<<8 | int64(b)
		}
	}
	return n
}
