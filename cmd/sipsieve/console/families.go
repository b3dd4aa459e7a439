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
	{"clock_unsynchronised", "1 if no NTP or PTP disciplines the host's clock, as adjtimex(2) reports it.", "",
		"host.clock_unsynchronised"},

	{"packets_seen_total", "Frames read.", "", "packets.seen"},
	{"packets_undated_total", "Frames of files without a valid timestamp: they take that of the frame before.", "",
		"packets.undated"},
	{"packets_stray_total", "Frames of files whose timestamp is minutes away from those around them.", "",
		"packets.stray"},
	{"packets_late_total", "Frames of files that stand more than a second behind a later frame.", "", "packets.late"},
	{"packets_passed_total", "Payloads passed on to the SIP reader.", "", "packets.passed"},
	{"packets_kernel_dropped_total", "Frames dropped by the kernel because the ring or socket buffer was full.", "",
		"packets.kernel_dropped"},
	{"packets_refused_total", "Frames and segments that were not decoded, by reason.", "reason", "packets.refused.*"},
	{"packets_lost_total", "Fragments, segments and messages lost after they were counted as read, by reason.", "reason",
		"packets.lost.*"},
	{"packets_carried_total", "Frames by the tunnel or tag that carried them.", "encapsulation", "packets.carried.*"},

	{"tls_streams_total", "Directions of TCP connections that carry TLS.", "", "streams.tls"},
	{"dtls_datagrams_total", "UDP datagrams that carry DTLS.", "", "streams.dtls"},
	{"websocket_upgrades_total", "HTTP messages that upgrade a connection to WebSocket.", "", "streams.upgrades"},
	{"websocket_inflated_total", "Compressed WebSocket messages that were inflated.", "", "streams.inflated"},
	{"websocket_deflated_total", "Compressed WebSocket messages that could not be inflated.", "", "streams.deflated"},
	{"stream_skipped_bytes_total", "Bytes of streams skipped to find the next message.", "", "streams.skipped"},
	{"datagram_trailing_bytes_total", "Bytes of datagrams after the end of the message.", "", "streams.trailing"},

	{"messages_seen_total", "SIP messages with a start line.", "", "messages.total"},
	{"messages_total", "Valid SIP messages: tracked, dropped as a duplicate, or dropped because a queue was full.", "fate",
		"messages.tracked messages.duplicates messages.dropped"},
	{"messages_refused_total", "SIP messages with a start line that are not valid, by reason.", "reason",
		"messages.refused.*"},
	{"messages_late_total", "SIP messages that arrived after the watermark had passed them.", "", "messages.late"},
	{"messages_odd_total", "Valid SIP messages with a fault that does not prevent their use, by fault.", "oddity",
		"messages.odd.*"},
	{"requests_total", "SIP requests seen.", "method", "messages.requests.*"},
	{"responses_total", "SIP responses seen.", "status", "messages.statuses.*"},
	{"retransmissions_total", "Retransmitted SIP messages.", "", "messages.retransmissions"},
	{"values_misfit_total",
		"Values dropped because they do not match the type or pattern of their field in the register.", "", "values.misfits"},
	{"values_left_out_total", "Header values of valid messages that were ignored: too many or too long.", "reason",
		"messages.left_out messages.oversize"},

	{"calls_opened_total", "Calls whose tracking began.", "", "calls.opened"},
	{"calls_ended_total", "Calls whose tracking ended, by disposition.", "disposition", "calls.ended.*"},
	{"calls_live", "Calls that are tracked now.", "", "calls.live"},
	{"calls_evicted_total", "Calls evicted because the limit of calls was reached.", "", "calls.evicted"},
	{"calls_corrected_total", "Calls whose final record was published again with a correction.", "", "calls.corrected"},
	{"calls_mid_call_total", "Calls whose first INVITE was not captured.", "", "calls.mid_call"},
	{"call_bounds_total", "Calls and messages that a limit refused or evicted, by limit.", "bound", "calls.bounds.*"},
	{"orphans_total", "Messages of no tracked call.", "", "calls.orphans"},

	{"legs_remembered", "Calls kept in memory to be joined with other legs.", "", "legs.remembered"},
	{"legs_joined_total", "Legs joined, by the evidence that joined them.", "correlation", "legs.joined.*"},
	{"legs_unjoined_total", "Evidence that joined no legs, by reason.", "reason",
		"legs.ambiguous legs.shared legs.full legs.forgotten"},

	{"registrations_total", "Registration events, by kind.", "event", "registrations.*"},
	{"devices_told_total", "Device records made: a first sighting, a change, or the daily repeat.", "reason",
		"devices.first devices.changed devices.daily"},
	{"devices_known", "Devices that are tracked now.", "", "devices.known"},
	{"devices_forgotten_total", "Devices evicted because the limit of devices was reached.", "", "devices.forgotten"},

	{"other_messages_total", "SIP messages of methods that make no record.", "trunk method class", "others.*.*.*"},
	{"options_asked_total", "OPTIONS transactions.", "trunk", "options.*.asked"},
	{"options_unfinished_total", "OPTIONS transactions that ended without a final response, by reason.", "trunk reason",
		"options.*.unanswered options.*.evicted options.*.cut"},
	{"options_waiting", "OPTIONS transactions that await a final response now.", "trunk", "options.*.waiting"},

	{"numbers_without_region_total",
		"National numbers left as non_e164 because no region is configured for their trunk.", "",
		"numbers.no_region"},

	{"excerpts_made_total", "Excerpts made by the policy.", "purpose", "excerpts.*.made"},
	{"excerpts_put_total", "Excerpts handed to the bus.", "purpose", "excerpts.*.put"},
	{"excerpts_acknowledged_total", "Excerpts that the bus has acknowledged as stored.", "purpose",
		"excerpts.*.acknowledged"},
	{"excerpts_restored_total", "Excerpts that the run before left to this one, before the end of their window.", "purpose",
		"excerpts.*.restored"},
	{"excerpts_pending", "Excerpts that await the acknowledgement of the bus.", "purpose", "excerpts.*.pending"},
	{"excerpts_waiting", "Excerpts of these that wait for the end of their window, or have just left it.", "purpose",
		"excerpts.*.waiting"},
	{"excerpts_suppressed_total", "Excerpts made and not published, by reason.", "purpose reason",
		"excerpts.*.suppressed.*"},

	{"ops_records_made_total", "Records about the sensor itself, for the stream OPS.", "", "ops.made"},
	{"ops_records_acknowledged_total", "Records about the sensor that the stream OPS has stored.", "", "ops.acknowledged"},
	{"ops_records_pending", "Records about the sensor that are not on the stream OPS yet.", "", "ops.pending"},
	{"ops_records_lost_total", "Records about the sensor for which there was no room.", "", "ops.lost"},

	{"bus_published_total", "Excerpts published on the bus.", "", "bus.published"},
	{"bus_published_one_by_one_total", "Excerpts published one by one because the bus refused their batch.", "",
		"bus.one_by_one"},
	{"bus_complaints_total", "Errors that the NATS server sent outside of an answer; the status shows the last one.", "",
		"bus.complaints"},
	{"bus_damages_total", "Streams of the spool that had damaged files when they were opened.", "", "bus.damages"},
	{"bus_damaged_lost_total", "Excerpts that were lost with damaged files of the spool.", "", "bus.lost"},
	{"bus_reopened_total", "Times that the spool was opened anew, after an error of its disk.", "", "bus.reopened"},
	{"store_received_total", "Excerpts delivered from the bus to the store, redelivered ones included.", "purpose",
		"store.*.received"},
	{"store_kept_total", "Excerpts written to the store.", "purpose", "store.*.kept"},
	{"store_expired_total", "Excerpts that were not written because they had expired.", "purpose", "store.*.expired"},
	{"store_refused_total", "Messages that are no excerpts, or that the store refused for good.", "purpose",
		"store.*.refused"},
	{"store_redelivered_total", "Messages delivered to the store more than once.", "purpose", "store.*.redelivered"},
	{"store_retried_total", "Writes to the store that were repeated because it was unavailable or full.", "purpose",
		"store.*.retried"},

	{"hub_received_total", "Excerpts read from the spool for the hub, redelivered ones included.", "purpose",
		"hub.*.received"},
	{"hub_put_total", "Excerpts that the hub has acknowledged.", "purpose", "hub.*.put"},
	{"hub_refused_total", "Messages that are no excerpts, or that the hub refused for good.", "purpose", "hub.*.refused"},
	{"hub_redelivered_total", "Messages delivered to the forwarder more than once.", "purpose", "hub.*.redelivered"},
	{"hub_retried_total", "Publications to the hub that were repeated because it was unavailable or full.", "purpose",
		"hub.*.retried"},

	{"source_packets_total", "Frames read.", "source", "sources.*.seen"},
	{"source_kernel_dropped_total", "Frames dropped by the kernel because the ring or socket buffer was full.", "source",
		"sources.*.kernel_dropped"},
	{"source_last_loss_timestamp_seconds", "Unix time of the last reported loss of packets.", "source",
		"sources.*.last_loss"},
	{"source_stamps_total", "Timestamps that were replaced or missing, by reason.", "source reason",
		"sources.*.skewed sources.*.unstamped sources.*.undated sources.*.stray"},
	{"source_late_frames_total", "Frames of files that stand more than a second behind a later frame.", "source",
		"sources.*.late"},
	{"source_refused_total", "Frames and HEP packets that were not decoded, by reason.", "source reason",
		"sources.*.refused.*"},
	{"source_interruptions_total", "Times that the interface went down, lost its carrier or was removed.", "source",
		"sources.*.downs"},
	{"ring_frames_total", "Frames that passed the kernel's filter.", "source", "sources.*.ring"},
	{"ring_freezes_total", "Times that the kernel found no free block in the ring.", "source", "sources.*.freezes"},
	{"ring_losing_blocks_total", "Blocks of the ring that the kernel marked: frames were dropped before them.", "source",
		"sources.*.losing"},
	{"ring_left_frames_total", "Frames left unread in a ring that was closed.", "source", "sources.*.left"},
	{"hep_odd_packets_total",
		"HEP packets with a fault that does not prevent the use of their message, by fault.", "reason",
		"hep.skewed hep.unstamped hep.cut hep.long_correlation"},
	{"hep_trailing_bytes_total", "Bytes of datagrams after the stated length of a HEP packet.", "", "hep.trailing"},
	{"hep_no_sip_total", "HEP packets of feeds and files that carry no SIP, by payload type.", "kind",
		"hep.other_kinds.*"},
	{"hep_queued", "HEP packets in the queue.", "source", "sources.*.queued"},
	{"hep_queue_full_total", "HEP packets dropped because the queue was full.", "source", "sources.*.queue_full"},
	{"hep_connections", "Open connections of HEP feeds.", "source", "sources.*.connections"},
	{"hep_connections_refused_total", "Connections of HEP feeds that were refused or closed, by reason.", "source reason",
		"sources.*.turned_away sources.*.strangers sources.*.unfinished sources.*.broken sources.*.silent " +
			"sources.*.unaccepted"},
	{"hep_long_correlation_total", "Correlation ids ignored because they are too long.", "source",
		"sources.*.long_correlation"},
	{"hep_agents", "Capture agents seen, by the id in their HEP packets.", "source", "sources.*.agents"},
	{"hep_other_agents_total", "HEP packets of capture agents beyond the first 64.", "source", "sources.*.other_agents"},
	{"hep_other_kinds_total", "HEP packets that carry no SIP, by payload type.", "source kind", "sources.*.other_kinds.*"},
}

// A sample is how a number of the ledger is exposed.
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
