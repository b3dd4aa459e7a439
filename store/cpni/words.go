package cpni

import (
	"slices"

	"sipsieve/sip/event"
)

// The words of closed sets, as records and the register have them.
var (
	dispositionWords = [event.Dispositions]string{"", "answered", "busy", "no_answer", "cancelled", "redirected",
		"auth_failed", "rejected", "unreachable", "failed"}
	statusWords   = [...]string{"", "complete", "partial", "evicted"}
	stageWords    = [...]string{"", "start", "answer", "interim", "stop", "correction"}
	partyWords    = [...]string{"unknown", "caller", "callee", "network"}
	endCauseWords = [...]string{"", "normal", "cancel", "failure", "timeout", "session_timer", "dialog_lost",
		"transfer", "evicted", "capture_end"}
	endSourceWords    = [...]string{"", "observed", "session_timer", "max_duration", "ring_timeout", "capture_end"}
	transferWords     = [...]string{"none", "blind", "attended"}
	registrationWords = [event.RegistrationStates]string{"", "registered", "moved", "changed_device", "deregistered",
		"expired", "auth_failed", "rejected", "recovered"}
	missingWords = [...]string{"invite", "final_response", "ack", "cancel", "bye", "bye_response", "one_direction",
		"stream_gap", "truncated", "loss_window", "restart_gap", "clock_step"}
	deviceFlagWords = [...]string{"scanner", "many_aors", "firmware_downgrade", "plain_digest_md5"}
	flagWords       = [...]string{"no_ack", "cancel_race", "spiral", "second_fork", "cause_derived", "answer_by_ack",
		"privacy_applied"}
	correlationWords = [event.Correlations]string{"none", "inferred", "sdp", "call_id_rule", "icid", "hep", "session_id",
		"header", "transfer"}
)

// StatusWord returns the word of s.
func StatusWord(s event.Status) string { return statusWords[s] }

// StageWord returns the word of s.
func StageWord(s event.Stage) string { return stageWords[s] }

// StageWords returns the words of all stages in the order in which one call can have them.
func StageWords() []string { return stageWords[1:] }

// StageOf returns the stage of that word, 0 of a word that is none.
func StageOf(word string) event.Stage { return event.Stage(max(0, slices.Index(stageWords[:], word))) }

// StatusOf returns the status of that word, 0 of a word that is none.
func StatusOf(word string) event.Status {
	return event.Status(max(0, slices.Index(statusWords[:], word)))
}

// MissingWords calls take with the word of everything in m, in the order in which records list it.
func MissingWords(m event.Missing, take func(string)) {
	for i, word := range missingWords {
		if m&(1<<i) != 0 {
			take(word)
		}
	}
}

// MissingWord returns what is missing by that word, 0 of a word that is none.
func MissingWord(word string) event.Missing {
	if i := slices.Index(missingWords[:], word); i >= 0 {
		return 1 << i
	}
	return 0
}

// FlagOrder returns where a word of call_flags stands in the order in which records list them.
func FlagOrder(word string) int { return slices.Index(flagWords[:], word) }

func words(set uint16, all []string) (in []string) {
	for i, word := range all {
		if set&(1<<i) != 0 {
			in = append(in, word)
		}
	}
	return in
}

// DispositionWord returns the word of d.
func DispositionWord(d event.Disposition) string { return dispositionWords[d] }

// RegistrationWord returns the word of s.
func RegistrationWord(s event.RegistrationState) string { return registrationWords[s] }
