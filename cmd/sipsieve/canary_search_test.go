package main

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// A flock is texts that must not get out, and what each may look like when it does.
type flock struct {
	r     *rand.Rand
	birds map[string]string // by marker: where it was put
	words map[string]string // the marker of each place
	whole bool              // pieces are not looked for: the output has other words of the same form

	trap   map[prefix][]form
	likely []uint64 // bits of the prefixes in trap
	of     int      // so many birds are in trap
}

func newFlock(seed uint64) *flock {
	return &flock{r: rand.New(rand.NewPCG(222, seed)), birds: map[string]string{}, words: map[string]string{}}
}

// wordLength is that of a marker that is a word. Letters that are no hexadecimal digits and digits that are none of
// base32 take turns in it, so that no eight characters of one are those of a hash or of an id.
const wordLength = 16

// word returns the marker of a place, the same one in every message.
func (f *flock) word(place string) string {
	if f.words[place] == "" {
		f.words[place] = f.fresh(place)
	}
	return f.words[place]
}

// fresh returns a new marker, a word of small letters and digits.
func (f *flock) fresh(place string) string {
	var b [wordLength]byte
	for i := range b {
		set := "ghjkmnpqrstuvwxyz"
		if i%2 == 1 {
			set = "0189"
		}
		b[i] = set[f.r.IntN(len(set))]
	}
	f.birds[string(b[:])] = place
	return string(b[:])
}

// number returns a new telephone number of North America in E.164 without the sign, and marks its national form.
func (f *flock) number(place string) string {
	n := fmt.Sprintf("303%03d%04d", 200+f.r.IntN(799), f.r.IntN(10_000))
	f.birds[n] = place
	return "1" + n
}

// A prefix is how a form begins. One pass over a text looks for all forms that begin so.
type prefix [8]byte

// hash returns a number of 20 bits.
func (p prefix) hash() uint64 {
	h := uint64(14695981039346656037)
	for _, c := range p {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return (h ^ h>>29) & (1<<20 - 1)
}

// A form is a marker, or a piece of it, as it may stand in a text, in small letters. All are longer than a prefix.
type form struct{ text, marker, how string }

// pieces returns each eight characters of a word; a number is one piece, because other numbers are like a part of it.
func (f *flock) pieces(marker string) (list []string) {
	if len(marker) != wordLength || f.whole {
		return []string{marker}
	}
	for i := range len(marker) - 7 {
		list = append(list, marker[i:i+8])
	}
	return list
}

// each returns text with every byte written by the format.
func each(format, text string) string {
	b := ""
	for i := range len(text) {
		b += fmt.Sprintf(format, text[i])
	}
	return b
}

// spellings returns what a piece may look like, wherever it stands in a text that was encoded.
func spellings(piece string) map[string]string {
	reversed := []byte(piece)
	slices.Reverse(reversed)
	upper := strings.ToUpper(piece)
	all := map[string]string{"it is": piece, "reversed": string(reversed), "in hexadecimal": hex.EncodeToString([]byte(piece)),
		"in hexadecimal, capital": hex.EncodeToString([]byte(upper)), "reversed in hexadecimal": hex.EncodeToString(reversed),
		"escaped for JSON": each(`\u%04x`, piece), "escaped for C": each(`\x%02x`, piece), "escaped with a bar": each(`\%c`, piece),
		"escaped for a URI": each("%%%02x", piece), "escaped for HTML": each("&#%d;", piece), "quoted printable": each("=%02x", piece),
		"in UTF-16": each("%c\x00", piece), "parted": each("%c-", piece), "spaced": each("%c ", piece), "dotted": each("%c.", piece)}
	for shift := range 5 { // what the neighbours do not change
		for name, text := range map[string]string{"": piece, ", capital": upper} {
			text = strings.Repeat("\x00", shift) + text
			from, to := (shift*8+4)/5, len(text)*8/5
			all[fmt.Sprint("in base32 after ", shift, name)] = base32.StdEncoding.EncodeToString([]byte(text))[from:to]
			if from, to = (shift*8+5)/6, len(text)*8/6; shift < 3 {
				all[fmt.Sprint("in base64 after ", shift, name)] = base64.StdEncoding.EncodeToString([]byte(text))[from:to]
				all[fmt.Sprint("in base64 of URIs after ", shift, name)] = base64.URLEncoding.EncodeToString([]byte(text))[from:to]
			}
		}
	}
	return all
}

// hashes returns the beginning of what a marker gives without a key: as bytes, in hexadecimal, in base32 and in base64.
func hashes(marker string) map[string]string {
	all := map[string]string{}
	for _, text := range []string{marker, strings.ToUpper(marker), "+1" + marker, "1" + marker, "sip:" + marker} {
		one, two, three, four := md5.Sum([]byte(text)), sha1.Sum([]byte(text)), sha256.Sum256([]byte(text)), sha512.Sum512([]byte(text))
		for name, sum := range map[string][]byte{"MD5": one[:], "SHA-1": two[:], "SHA-256": three[:], "SHA-512": four[:]} {
			all[name+" of "+text] = string(sum[:9])
			all[name+" in hexadecimal of "+text] = hex.EncodeToString(sum[:6])
			all[name+" in base32 of "+text] = base32.StdEncoding.EncodeToString(sum[:10])
			all[name+" in base64 of "+text] = base64.StdEncoding.EncodeToString(sum[:9])
		}
	}
	return all
}

// set fills the trap with the forms of all birds.
func (f *flock) set() {
	if f.of == len(f.birds) {
		return
	}
	f.trap, f.likely, f.of = map[prefix][]form{}, make([]uint64, 1<<14), len(f.birds)
	add := func(marker, how, text string) {
		text = string(fold([]byte(text)))
		p := prefix([]byte(text))
		f.trap[p] = append(f.trap[p], form{text, marker, how})
		f.likely[p.hash()/64] |= 1 << (p.hash() % 64)
	}
	for marker := range f.birds {
		for _, piece := range f.pieces(marker) {
			for how, text := range spellings(piece) {
				add(marker, how, text)
			}
		}
		for how, text := range hashes(marker) {
			add(marker, how, text)
		}
	}
}

// fold returns a copy of b with small letters; bytes that are no ASCII stay.
func fold(b []byte) []byte {
	b = bytes.Clone(b)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return b
}

// found returns the forms that stand in out, one for each marker.
func (f *flock) found(out []byte) (list []form) {
	f.set()
	out = fold(out)
	seen := map[string]bool{}
	for i := range max(0, len(out)-len(prefix{})+1) {
		p := prefix(out[i:])
		if h := p.hash(); f.likely[h/64]&(1<<(h%64)) == 0 {
			continue
		}
		for _, one := range f.trap[p] {
			if !seen[one.marker] && bytes.HasPrefix(out[i:], []byte(one.text)) {
				seen[one.marker] = true
				list = append(list, one)
			}
		}
	}
	return list
}

// search complains of every marker in out.
func (f *flock) search(t *testing.T, where string, out []byte) {
	t.Helper()
	for _, one := range f.found(out) {
		t.Errorf("%s: the %s got out, %s: %q", where, f.birds[one.marker], one.how, one.text)
	}
}

// TestACanaryIsFoundInEveryForm is the control of the search: each form of a piece is seen inside other text.
func TestACanaryIsFoundInEveryForm(t *testing.T) {
	t.Parallel()
	f := newFlock(1)
	word, number := f.word("a word"), f.number("a number")
	piece := word[5:13]
	for how, text := range map[string]string{"plain": piece, "capital": strings.ToUpper(piece), "number": "tel:+" + number,
		"percent": each("%%%02X", piece), "hexadecimal": hex.EncodeToString([]byte("xx" + piece + "yy")),
		"base64": base64.StdEncoding.EncodeToString([]byte("\"name\" <sip:" + piece + "@x>")),
		"base32": base32.StdEncoding.EncodeToString([]byte("ab" + piece + "cd")), "UTF-8": "ä" + piece + "漢",
		"hash": fmt.Sprintf("%x", sha256.Sum256([]byte(word))), "digest": string(sha1Of(word)),
		"hash of a number": base64.StdEncoding.EncodeToString(sha1Of("+" + number))} {
		if len(f.found([]byte("before "+text+" after"))) != 1 {
			t.Errorf("%s: %q is not found", how, text)
		}
	}
	if found := f.found([]byte(word[:7] + " " + word[9:] + number[:9])); len(found) != 0 {
		t.Errorf("seven characters are found: %v", found)
	}
}

func sha1Of(text string) []byte {
	sum := sha1.Sum([]byte(text))
	return sum[:]
}
