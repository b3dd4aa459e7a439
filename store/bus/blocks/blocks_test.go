package blocks

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// encoded returns n messages as the server writes them, each with headers and a body.
func encoded(t testing.TB, n int) (data []byte) {
	t.Helper()
	r, err := newReader("S", 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		subject, headers := "s.a", fmt.Sprintf("NATS/1.0\r\nId: %d\r\n\r\n", i)
		body := fmt.Sprintf("body %d", i)
		m := make([]byte, fixedBytes)
		binary.LittleEndian.PutUint32(m, uint32(fixedBytes+len(subject)+4+len(headers)+len(body)+hashBytes)|headersBit)
		binary.LittleEndian.PutUint64(m[4:], uint64(i+1))
		binary.LittleEndian.PutUint64(m[12:], uint64(1000+i))
		binary.LittleEndian.PutUint16(m[20:], uint16(len(subject)))
		r.hash.Reset()
		for _, part := range []string{string(m[4:20]), subject, headers, body} {
			_, _ = r.hash.Write([]byte(part))
		}
		m = binary.LittleEndian.AppendUint32(append(m, subject...), uint32(len(headers)))
		m = append(append(m, headers...), body...)
		data = append(data, r.hash.Sum(m)...)
	}
	return data
}

// read returns the messages of a file with that content, and how many places are damaged.
func read(t testing.TB, data []byte) (list []Message, bad int) {
	t.Helper()
	r, err := newReader("S", 1, data)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Each(func(m Message) error { list = append(list, m); return nil }); err != nil {
		t.Fatal(err)
	}
	return list, r.Bad()
}

// FuzzOneDamageCostsOneMessage flips a bit of a file and puts foreign bytes at its end.
func FuzzOneDamageCostsOneMessage(f *testing.F) {
	f.Add(uint(0), byte(1), []byte{})
	f.Add(uint(30), byte(128), make([]byte, 40))
	f.Add(uint(25), byte(2), []byte("\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, place uint, flip byte, foreign []byte) {
		const n = 4
		data := encoded(t, n)
		place %= uint(len(data))
		flip = 1 << (flip % 8)
		data[place] ^= flip
		list, bad := read(t, append(data, foreign...))
		wrong := bad
		for _, m := range list {
			i := int(m.Sequence) - 1
			if i < 0 || i >= n || string(m.Body) != fmt.Sprintf("body %d", i) || m.Made != int64(1000+i) || m.Subject != "s.a" {
				t.Fatalf("a message that was not put: %+v", m)
			}
			if m.Mislabelled {
				wrong++
			}
		}
		if len(list) < n-1 || wrong == 0 {
			t.Errorf("messages = %d of %d, damages = %d, want one lost at most, and the damage seen", len(list), n, wrong)
		}
	})
}

func TestFilesAreInTheOrderOfTheirNumbers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"10.blk", "2.blk", "index.db", "x.blk"} {
		if err := os.WriteFile(filepath.Join(dir, name), encoded(t, 1), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, numbers, err := Files(dir)
	if err != nil || fmt.Sprint(numbers) != "[2 10]" || filepath.Base(files[1]) != "10.blk" {
		t.Errorf("files = %v, numbers = %v, error %v, want 2 and 10", files, numbers, err)
	}
	if files, _, err := Files(filepath.Join(dir, "none")); err != nil || len(files) > 0 {
		t.Errorf("files of a folder that is not there = %v, %v, want none", files, err)
	}
}
