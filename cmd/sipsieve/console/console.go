// Package console serves the HTTP pages of a daemon: metrics, health, status, and the reading of records.
//
// # Who sees what
//
// Whoever can reach http.listen sees counts (Console.Public). The owner of the unix socket in the state folder sees the
// status and records too (Console.Private), and each reading of records is entered in the access log before its first
// record and after its last: without an entry there are no records.
//
// # Limits
//
// Each listener takes 64 connections; for one more, the connection that has been idle longest is closed. A header has
// 16 KiB at most and 5 s; a public page has 30 s.
package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sipsieve/capture"
	"sipsieve/cmd/sipsieve/daemon"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/source"
	"sipsieve/store"
)

// A Console serves the pages of a daemon over HTTP.
type Console struct{ *daemon.Daemon }

// Public returns the pages for whoever can reach http.listen: counts, never a record.
func (d *Console) Public() *http.ServeMux {
	mux := http.NewServeMux()
	registry := prometheus.NewRegistry()
	registry.MustRegister(&metrics{d}, &checkpointMetrics{d})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", d.readyz)
	return mux
}

// readyz answers 200 if every packet can reach the bus and the store, otherwise 503 with the reasons.
func (d *Console) readyz(w http.ResponseWriter, _ *http.Request) {
	l := d.Ledger()
	why := d.Unready(l)
	if len(why) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"ready": len(why) == 0, "why": why, "details": d.Details(l)})
}

// Details are figures of a daemon, ready or not, that an operator should look at.
type Details struct {
	TLSShare float64 `json:"tls_share"` // of the payloads that were seen: 0 to 1
	Late     uint64  `json:"late"`      // messages that came after the watermark
	Lost     uint64  `json:"lost"`      // frames that the kernel dropped
	Clock    string  `json:"clock"`     // whether the host's clock is synchronised
}

// Details returns the figures of l and the state of the clock.
func (d *Console) Details(l *ledger.Ledger) Details {
	return Details{TLSShare: tlsShare(l), Late: l.Messages.Late, Lost: l.Packets.KernelDropped,
		Clock: source.HostClock().String()}
}

// tlsShare returns the share of TLS and DTLS in the payloads, 0 to 1.
func tlsShare(l *ledger.Ledger) float64 {
	if l.Packets.Passed == 0 {
		return 0
	}
	return float64(l.Packets.Refused[capture.Opaque.String()]) / float64(l.Packets.Passed)
}

// Private returns the pages for the owner of the unix socket: those of Public, the status, and records.
func (d *Console) Private() *http.ServeMux {
	mux := d.Public()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(d.Status(r.Context()))
	})
	mux.HandleFunc("GET /tail", d.serveTail)
	mux.HandleFunc("GET /query", d.serveQuery)
	mux.HandleFunc("POST /query", d.serveQuery) // with Call-IDs as its body
	mux.HandleFunc("GET /report", d.serveQuery) // for a report: logged as one
	mux.HandleFunc("GET /reconcile", d.serveQuery)
	return mux
}

// serveTail writes the excerpts of a purpose as they are published, one line each.
func (d *Console) serveTail(w http.ResponseWriter, r *http.Request) {
	purpose := r.FormValue("purpose")
	if _, ok := d.InForce().Policy.Purpose(purpose); !ok {
		http.Error(w, d.Setup.UnknownPurpose().Error(), http.StatusBadRequest)
		return
	}
	if err := CheckRequest(r.FormValue("request")); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
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
		log.Count++
	}
}

// Beginnings of lines of an answer that are no record: where the next query goes on, and what is missing. The latter is
// the last.
const (
	NextLine   = "#next "
	DamageLine = "#damage "
)

// serveQuery writes the records that a query selects, one line each. An answer that breaks off is not ended as HTTP
// requires, so that the client sees it.
func (d *Console) serveQuery(w http.ResponseWriter, r *http.Request) {
	if !d.Keeps() {
		http.Error(w, "this host has no store: [store] is not configured", http.StatusBadRequest)
		return
	}
	q, err := ParseQuery(r.FormValue)
	if err == nil && r.Method == http.MethodPost {
		err = AddCallIDs(d.InForce(), &q, r.Body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	log, err := d.openReading(w, r, strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil {
		return
	}
	whole := false
	defer func() { d.closeReading(log, whole) }()
	for item, err := range Paged(q, d.Query(r.Context(), q)) {
		var damage store.DamageError
		switch {
		case errors.As(err, &damage):
			fmt.Fprintf(w, "%s%v\n", DamageLine, damage)
			return
		case err != nil && log.Count == 0: // nothing is written yet
			http.Error(w, log.entry.Verb+": the answer is not complete: "+err.Error(), http.StatusServiceUnavailable)
			return
		case err != nil:
			panic(http.ErrAbortHandler) // the client must see that the answer is not complete
		case item.Body == nil:
			fmt.Fprintf(w, "%s%s\n", NextLine, item.Next)
			continue
		}
		if _, err := w.Write(append(item.Body, '\n')); err != nil {
			return
		}
		log.Count++
	}
	whole = true
}

// openReading logs that r is going to read. If that fails it answers r with the error.
func (d *Console) openReading(w http.ResponseWriter, r *http.Request, verb string) (*Reading, error) {
	who := readPeer(r.RemoteAddr)
	a := Access{Verb: verb, UID: who.uid, PID: who.pid, Daemon: true, Purpose: r.FormValue("purpose"),
		Request: r.FormValue("request")}
	if verb != "tail" { // which has no other parameters; whatever else its URL has is not logged
		a.Kind, a.From, a.To = r.FormValue("kind"), r.FormValue("from"), r.FormValue("to")
	}
	log, err := Begin(d.State, a)
	if err != nil {
		d.Log.Error("access log", "verb", verb, "err", err)
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
	return log, err
}

// closeReading logs how much was read, also of an answer that broke off.
func (d *Console) closeReading(r *Reading, whole bool) {
	if err := r.End(whole); err != nil {
		d.Log.Error("access log", "verb", r.entry.Verb, "err", err)
	}
	d.Log.Info(r.entry.Verb, "purpose", r.entry.Purpose, "request", r.entry.Request, "uid", r.entry.UID, "count", r.Count)
}
