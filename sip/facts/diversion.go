package facts

import (
	"bytes"
	"strconv"

	"sipsieve/sip"
	"sipsieve/sip/phone"
	"sipsieve/sip/syntax"
)

// maxDiversions bounds what one counter of Diversion adds.
const maxDiversions = 99

// readDiversions adds the topmost Diversion, which is the newest, and how often the call was diverted: the sum of all
// counters, 1 for an entry without one (RFC 5806 section 4).
func readDiversions(g *Gather, m *sip.Message) {
	count := 0
	for _, s := range m.Spans[:m.N] {
		if s.Header != sip.Diversion {
			continue
		}
		syntax.Values(m.At(s), func(a []byte) {
			if count == 0 {
				readNewestDiversion(g, a)
			}
			counter, _ := syntax.Param(a, "counter")
			count += max(1, min(int(leadingNumber(counter)), maxDiversions))
		})
	}
	if count > 0 {
		g.Add(DivertedCount, strconv.AppendInt(nil, int64(count), 10))
	}
}

func readNewestDiversion(g *Gather, a []byte) {
	readNumbers(g, DivertedNumber, a)
	readParam(g, DivertedReason, a, "reason")
	if withholds(a) {
		g.addFlag(DivertedPrivate)
	}
}

// maxEntries bounds the entries of History-Info that are read.
const maxEntries = 16

// A historyEntry is one of History-Info.
type historyEntry struct{ index, number []byte }

// readHistory adds the numbers of History-Info by their index, the first target first (RFC 7044 section 5.1). The
// number of an entry whose own Privacy withholds it is anonymous.
func readHistory(g *Gather, m *sip.Message) {
	var buf [maxEntries]historyEntry
	entries := buf[:0]
	for _, s := range m.Spans[:m.N] {
		if s.Header != sip.HistoryInfo {
			continue
		}
		syntax.Values(m.At(s), func(a []byte) {
			if len(entries) == maxEntries {
				return
			}
			e := historyEntry{number: Dialled([]byte(readAddress(g, a, sip.ParseAddress).User))}
			if withheldEntry(a) {
				e.number = []byte(phone.Anonymous)
			}
			e.index, _ = syntax.Param(a, "index")
			entries = append(entries, e)
		})
	}
	for i := range entries { // a few, and mostly in their order already
		for j := i; j > 0 && lessIndex(entries[j].index, entries[j-1].index); j-- {
			entries[j], entries[j-1] = entries[j-1], entries[j]
		}
	}
	for _, e := range entries {
		g.Add(HistoryNumber, e.number)
	}
}

// withheldEntry reports whether the URI of a History-Info entry embeds a Privacy header that covers the entry
// (RFC 7044 section 10.1), or one that is not known.
func withheldEntry(a []byte) bool {
	u := syntax.ReadURI(a)
	for name, value := range u.Headers {
		if !syntax.EqualFold("Privacy", name) {
			continue
		}
		none := true
		for word := range bytes.FieldsFuncSeq(unescape(value), betweenPrivacy) {
			none = false
			switch string(privacyWord(word)) {
			case "history", "header", "session", string(unknownPrivacy):
				return true
			}
		}
		if none {
			return true
		}
	}
	return false
}

// lessIndex reports whether the index a, such as 1.2.1, is before b.
func lessIndex(a, b []byte) bool {
	for len(a) > 0 && len(b) > 0 {
		var x, y []byte
		x, a, _ = bytes.Cut(a, []byte("."))
		y, b, _ = bytes.Cut(b, []byte("."))
		if m, n := leadingNumber(x), leadingNumber(y); m != n {
			return m < n
		}
	}
	return len(a) < len(b)
}
