package console

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// A family is one metric. Its samples are the numbers of the ledger at paths: the ledger's JSON keys, with * for the
// key of a map. Labels take the keys of the maps in order; one label more takes the last word of the path.
type family struct{ name, help, labels, paths string }

// families are the metrics of the ledger, by its parts. What ends in _total is a counter, all else a gauge.
var families = []family{
	{"clock_unsynchronised", "1 if the kernel says that no NTP or PTP sets the host's clock.", "",
		"host.clock_unsynchronised"},

	{"packets_seen_total", "Frames read.", "", "packets.seen"},
	{"packets_undated_total", "Frames that bear the time of the frame before them.", "", "packets.undated"},
	{"packets_stray_total", "Frames whose time is minutes away from those around.", "", "packets.stray"},
	{"packets_late_total", "Frames of files that stand more than a second behind a later one.", "", "packets.late"},
	{"packets_passed_total", "Frames whose payload was given.", "", "packets.passed"},
	{"packets_kernel_dropped_total", "Frames that the kernel had no room for.", "", "packets.kernel_dropped"},
	{"packets_refused_total", "Frames and segments that went no further.", "reason", "packets.refused.*"},
	{"packets_lost_total", "What came to nothing after it was counted.", "reason", "packets.lost.*"},
	{"packets_carried_total", "Frames by what they came in.", "encapsulation", "packets.carried.*"},

	{"tls_streams_total", "Directions of connections that are TLS.", "", "streams.tls"},
	{"dtls_datagrams_total", "Datagrams of DTLS.", "", "streams.dtls"},
	{"websocket_upgrades_total", "HTTP messages that went over to WebSocket.", "", "streams.upgrades"},
	{"websocket_inflated_total", "WebSocket messages that were compressed.", "", "streams.inflated"},
	{"websocket_deflated_total", "WebSocket messages that are compressed and cannot be read.", "", "streams.deflated"},
	{"stream_skipped_bytes_total", "Bytes of streams passed over to find a message.", "", "streams.skipped"},
	{"datagram_trailing_bytes_total", "Bytes of datagrams behind the message.", "", "streams.trailing"},

	{"messages_seen_total", "SIP messages with a start line.", "", "messages.total"},
	{"messages_total", "SIP messages that can be used, by what became of them.", "fate",
		"messages.tracked messages.duplicates messages.dropped"},
	{"messages_refused_total", "SIP messages with a start line that were not used.", "reason", "messages.refused.*"},
	{"messages_late_total", "SIP messages that came after their turn.", "", "messages.late"},
	{"messages_odd_total", "SIP messages that are used, by what is odd about them.", "oddity", "messages.odd.*"},
	{"requests_total", "SIP requests seen.", "method", "messages.requests.*"},
	{"responses_total", "SIP responses seen.", "status", "messages.statuses.*"},
	{"retransmissions_total", "SIP messages that repeated an earlier one.", "", "messages.retransmissions"},
	{"values_misfit_total", "Values dropped, for they are not what the register says of their field.", "", "values.misfits"},
	{"values_left_out_total", "Header values left out of messages that are used.", "reason",
		"messages.left_out messages.oversize"},

	{"calls_opened_total", "Calls opened.", "", "calls.opened"},
	{"calls_ended_total", "Calls ended.", "disposition", "calls.ended.*"},
	{"calls_live", "Calls live now.", "", "calls.live"},
	{"calls_evicted_total", "Calls that went because there were too many.", "", "calls.evicted"},
	{"calls_corrected_total", "Calls told again: what was told was not all.", "", "calls.corrected"},
	{"calls_mid_call_total", "Calls whose beginning was not seen.", "", "calls.mid_call"},
	{"call_bounds_total", "Calls that a limit kept out or made go.", "bound", "calls.bounds.*"},
	{"orphans_total", "Messages of no known call.", "", "calls.orphans"},

	{"legs_remembered", "Calls remembered for joining legs.", "", "legs.remembered"},
	{"legs_joined_total", "Joins of legs.", "correlation", "legs.joined.*"},
	{"legs_unjoined_total", "Evidence of legs that joined nothing.", "reason",
		"legs.ambiguous legs.shared legs.full legs.forgotten"},

	{"registrations_total", "Changes of registrations.", "event", "registrations.*"},
	{"devices_told_total", "Devices told, by why.", "reason", "devices.first devices.changed devices.daily"},
	{"devices_known", "Devices known now.", "", "devices.known"},
	{"devices_forgotten_total", "Devices that went because there were too many.", "", "devices.forgotten"},

	{"other_messages_total", "SIP messages that make no record.", "trunk method class", "others.*.*.*"},
	{"options_asked_total", "Transactions of OPTIONS.", "trunk", "options.*.asked"},
	{"options_unfinished_total", "Transactions of OPTIONS without a final response, by why they went.", "trunk reason",
		"options.*.unanswered options.*.evicted options.*.cut"},
	{"options_waiting", "Transactions of OPTIONS that wait for a final response now.", "trunk", "options.*.waiting"},

	{"numbers_without_region_total", "Numbers that are non_e164 because no region says where they are dialled.", "",
		"numbers.no_region"},

	{"excerpts_made_total", "Excerpts made.", "purpose", "excerpts.*.made"},
	{"excerpts_put_total", "Excerpts made and not suppressed.", "purpose", "excerpts.*.put"},
	{"excerpts_acknowledged_total", "Excerpts durable on the bus.", "purpose", "excerpts.*.acknowledged"},
	{"excerpts_pending", "Excerpts on their way to the bus.", "purpose", "excerpts.*.pending"},
	{"excerpts_suppressed_total", "Excerpts made and not put.", "purpose reason", "excerpts.*.suppressed.*"},

	{"bus_published_total", "Excerpts put on the bus.", "", "bus.published"},
	{"bus_published_one_by_one_total", "Excerpts put on the bus by themselves, for their batch was refused.", "",
		"bus.one_by_one"},
	{"bus_complaints_total", "What the bus said that is no answer: see troubles in the status.", "", "bus.complaints"},
	{"store_received_total", "Excerpts that came from the bus to the store.", "purpose", "store.*.received"},
	{"store_kept_total", "Excerpts that the store took.", "purpose", "store.*.kept"},
	{"store_expired_total", "Excerpts that the store took and dropped, for their day is over.", "purpose", "store.*.expired"},
	{"store_refused_total", "Messages that are no excerpts, or that the store refused for good.", "purpose",
		"store.*.refused"},
	{"store_redelivered_total", "Messages that came to the store again.", "purpose", "store.*.redelivered"},
	{"store_retried_total", "Times that the store was unavailable or full.", "purpose", "store.*.retried"},

	{"hub_received_total", "Excerpts that came from the spool for the hub.", "purpose", "hub.*.received"},
	{"hub_put_total", "Excerpts that the hub has acknowledged.", "purpose", "hub.*.put"},
	{"hub_refused_total", "Messages that are no excerpts, or that the hub refused for good.", "purpose", "hub.*.refused"},
	{"hub_redelivered_total", "Messages that came for the hub again.", "purpose", "hub.*.redelivered"},
	{"hub_retried_total", "Times that the hub was away, or took nothing.", "purpose", "hub.*.retried"},

	{"source_packets_total", "Frames read.", "source", "sources.*.seen"},
	{"source_kernel_dropped_total", "Frames that the kernel had no room for.", "source", "sources.*.kernel_dropped"},
	{"source_last_loss_timestamp_seconds", "When packets were last told missing.", "source", "sources.*.last_loss"},
	{"source_stamps_total", "Time stamps that were not taken.", "source reason",
		"sources.*.skewed sources.*.unstamped sources.*.undated sources.*.stray"},
	{"source_late_frames_total", "Frames of files that stand behind a later one.", "source", "sources.*.late"},
	{"source_refused_total", "Frames and HEP packets that went no further.", "source reason", "sources.*.refused.*"},
	{"source_interruptions_total", "Times that the interface went down or away.", "source", "sources.*.downs"},
	{"ring_frames_total", "Frames that passed the kernel's filter.", "source", "sources.*.ring"},
	{"ring_freezes_total", "Times that the kernel found no free block.", "source", "sources.*.freezes"},
	{"ring_losing_blocks_total", "Blocks marked by the kernel: frames were dropped before.", "source", "sources.*.losing"},
	{"ring_left_frames_total", "Frames in a ring, unread, when it was given back.", "source", "sources.*.left"},
	{"hep_odd_packets_total", "HEP packets whose message is used, by what is odd about them.", "reason",
		"hep.skewed hep.unstamped hep.cut hep.long_correlation"},
	{"hep_trailing_bytes_total", "Bytes behind the length that a HEP packet says.", "", "hep.trailing"},
	{"hep_no_sip_total", "HEP packets that carried no SIP, of feeds and files together.", "kind", "hep.other_kinds.*"},
	{"hep_queued", "HEP packets that wait.", "source", "sources.*.queued"},
	{"hep_queue_full_total", "HEP packets that there was no room for.", "source", "sources.*.queue_full"},
	{"hep_connections", "Connections of HEP feeds.", "source", "sources.*.connections"},
	{"hep_connections_refused_total", "Connections of HEP feeds not taken or not kept.", "source reason",
		"sources.*.turned_away sources.*.strangers sources.*.unfinished sources.*.broken sources.*.silent " +
			"sources.*.unaccepted"},
	{"hep_long_correlation_total", "Correlation ids left out for their length.", "source", "sources.*.long_correlation"},
	{"hep_agents", "Numbers that senders of HEP give themselves.", "source", "sources.*.agents"},
	{"hep_other_agents_total", "HEP packets of senders beyond the first 64.", "source", "sources.*.other_agents"},
	{"hep_other_kinds_total", "HEP packets that carried no SIP.", "source kind", "sources.*.other_kinds.*"},
}

// A sample says how a number of the ledger is shown.
type sample struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	last string // the label's value that is no key of a map; "" for none
}

func desc(name, help, labels string) *prometheus.Desc {
	return prometheus.NewDesc("sipsieve_"+name, help, strings.Fields(labels), nil)
}

// samples are the samples of all families by path.
var samples = func() map[string]sample {
	all := map[string]sample{}
	for _, f := range families {
		s := sample{desc: desc(f.name, f.help, f.labels), kind: prometheus.GaugeValue}
		if strings.HasSuffix(f.name, "_total") {
			s.kind = prometheus.CounterValue
		}
		for path := range strings.FieldsSeq(f.paths) {
			s.last = ""
			if len(strings.Fields(f.labels)) > strings.Count(path, "*") {
				s.last = path[strings.LastIndexByte(path, '.')+1:]
			}
			all[path] = s
		}
	}
	return all
}()
