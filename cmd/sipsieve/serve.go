package main

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sipsieve/capture"
	"sipsieve/cmd/sipsieve/daemon"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/source"
	"sipsieve/store"
	"sipsieve/store/cpni"
)

// A console shows a daemon over HTTP: to anybody counts, to the owner of its socket records too.
type console struct{ *daemon.Daemon }

// publicMux is what anybody on the listening address may see: counts, never a record.
func (d *console) publicMux() *http.ServeMux {
	mux := http.NewServeMux()
	registry := prometheus.NewRegistry()
	registry.MustRegister(&metrics{d}, &checkpointMetrics{d})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", d.readyz)
	return mux
}

// readyz answers 200 when packets go all the way, else 503 with the reasons.
func (d *console) readyz(w http.ResponseWriter, _ *http.Request) {
	l := d.Ledger()
	why := d.Unready(l)
	if len(why) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"ready": len(why) == 0, "why": why, "details": d.details(l)})
}

// A details is what an operator should know of a daemon that is ready.
type details struct {
	TLSShare float64 `json:"tls_share"` // of the payloads that were seen: 0 to 1
	Late     uint64  `json:"late"`      // messages that came behind the watermark
	Lost     uint64  `json:"lost"`      // frames that the kernel had no room for
	Clock    string  `json:"clock"`     // whether something sets the host's clock
}

func (d *console) details(l *ledger.Ledger) details {
	return details{TLSShare: tlsShare(l), Late: l.Messages.Late, Lost: l.Packets.KernelDropped,
		Clock: source.HostClock().String()}
}

// tlsShare returns which part of the payloads that were given is TLS or DTLS.
func tlsShare(l *ledger.Ledger) float64 {
	if l.Packets.Passed == 0 {
		return 0
	}
	return float64(l.Packets.Refused[capture.Opaque.String()]) / float64(l.Packets.Passed)
}

// privateMux is what the owner of the unix socket may ask.
func (d *console) privateMux() *http.ServeMux {
	mux := d.publicMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(d.Status(r.Context()))
	})
	mux.HandleFunc("GET /tail", d.serveTail)
	mux.HandleFunc("GET /query", d.serveQuery)
	return mux
}

// serveTail writes the excerpts of a purpose as they come, a line each.
func (d *console) serveTail(w http.ResponseWriter, r *http.Request) {
	purpose := r.FormValue("purpose")
	if _, ok := d.Policy.Purpose(purpose); !ok {
		http.Error(w, d.Setup.UnknownPurpose().Error(), http.StatusBadRequest)
		return
	}
	request := r.FormValue("request")
	if request != "" {
		if err := checkRequest(request); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	log, err := d.openReading(w, r, "tail")
	if err != nil {
		return
	}
	defer d.closeReading(log, true)
	flush := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	_ = flush.Flush()
	for x, err := range d.Tail(r.Context(), purpose, r.FormValue("all") != "") {
		if err != nil {
			continue
		}
		if _, err := w.Write(append(x.Body(), '\n')); err != nil || flush.Flush() != nil {
			return
		}
		log.count++
	}
}

func (d *console) serveQuery(w http.ResponseWriter, r *http.Request) {
	if !d.Keeps() {
		http.Error(w, "this host keeps no store", http.StatusBadRequest)
		return
	}
	q, err := parseQuery(r.FormValue)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	log, err := d.openReading(w, r, "query")
	if err != nil {
		return
	}
	whole := false
	defer func() { d.closeReading(log, whole) }()
	for body, err := range d.Query(r.Context(), q) {
		if err != nil {
			panic(http.ErrAbortHandler) // the reader must see that the answer is not whole
		}
		if _, err := w.Write(append(body, '\n')); err != nil {
			return
		}
		log.count++
	}
	whole = true
}

// openReading writes down that r is about to read. If that cannot be done it answers r.
func (d *console) openReading(w http.ResponseWriter, r *http.Request, verb string) (*reading, error) {
	who := readPeer(r.RemoteAddr)
	a := access{Verb: verb, UID: who.uid, PID: who.pid, Daemon: true, Purpose: r.FormValue("purpose"),
		Request: r.FormValue("request")}
	if verb == "query" { // a tail has no other parameters, and what it has besides is nobody's to log
		a.Kind, a.From, a.To = r.FormValue("kind"), r.FormValue("from"), r.FormValue("to")
	}
	log, err := begin(d.State, a)
	if err != nil {
		d.Log.Error("access log", "verb", verb, "err", err)
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
	return log, err
}

// closeReading writes down how much was read, also when the answer is broken off.
func (d *console) closeReading(r *reading, whole bool) {
	if err := r.end(whole); err != nil {
		d.Log.Error("access log", "verb", r.entry.Verb, "err", err)
	}
	d.Log.Info(r.entry.Verb, "purpose", r.entry.Purpose, "request", r.entry.Request, "uid", r.entry.UID, "count", r.count)
}

// parseQuery reads a query's parameters, which are the verb's flags.
func parseQuery(value func(string) string) (q store.Query, err error) {
	q.Purpose, q.Kind = value("purpose"), value("kind")
	if q.Purpose == "" {
		return q, errors.New("purpose: no purpose, no answer")
	}
	if kinds := cpni.FieldKinds(); q.Kind != "" && !slices.Contains(kinds, q.Kind) {
		return q, errors.New("kind: want one of " + strings.Join(kinds, ", "))
	}
	if err := checkRequest(value("request")); err != nil {
		return q, err
	}
	for _, bound := range []struct {
		key string
		to  *time.Time
	}{{"from", &q.From}, {"to", &q.To}} {
		if text := value(bound.key); text != "" {
			if *bound.to, err = readTime(text); err != nil {
				return q, errors.New(bound.key + ": want a time such as 2026-11-24 or 2026-11-24T10:00:00Z")
			}
		}
	}
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		return q, errors.New("to: want a time after from: to is not included")
	}
	return q, nil
}

func readTime(text string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, text)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
