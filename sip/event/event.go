package event

import (
	"fmt"
	"log/slog"
	"time"

	"sipsieve/capture"
	"sipsieve/sip/facts"
)

// A Kind is the subject of an Event.
type Kind uint8

// Kinds of Events.
const (
	CallKind Kind = iota + 1
	RegistrationKind
	LinkKind // for package legs only: it makes no record
	DeviceKind
	SightingKind // a refresh, for package devices only: it makes no record
)

// A Stage is the point in its life at which a call is published.
type Stage uint8

// Stages, in the order in which one call can have them.
const (
	Start Stage = iota + 1
	Answer
	Interim
	Stop
	Correction
)

// Stages is a set of Stages.
type Stages uint8

// StagesOf returns the set of the stages.
func StagesOf(stages ...Stage) (s Stages) {
	for _, stage := range stages {
		s |= 1 << stage
	}
	return s
}

// Has reports whether stage is in s.
func (s Stages) Has(stage Stage) bool { return s&(1<<stage) != 0 }

// An Event is one fact that a Tracker has concluded. Time, Key and Ordinal order the Events of all shards, in the same
// way for any number of shards.
type Event struct {
	Time         time.Time // packet time or time of a timer at which the fact was certain
	Key          Key
	Ordinal      uint32 // counts the Events of one Key
	Kind         Kind
	Stage        Stage
	Revision     int // 1 for the first Event of a call
	Call         *Call
	Registration *Registration
	Evidence     *Evidence
	Device       *Device
}

// Format writes a mask for every verb and flag: an Event holds text about people.
func (e Event) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }

// LogValue is what slog writes for e.
func (e Event) LogValue() slog.Value { return slog.StringValue("***") }

// A Disposition is the outcome of a call attempt.
type Disposition uint8

// Dispositions.
const (
	Answered Disposition = iota + 1
	Busy
	NoAnswer
	Cancelled
	Redirected
	AuthFailed
	Rejected
	Unreachable
	Failed
	Dispositions
)

// A Status is how much of a call or registration was seen.
type Status uint8

// Statuses.
const (
	Complete Status = iota + 1
	Partial
	Evicted
)

// Missing is a set of expected messages that were not seen, and of reasons for that.
type Missing uint16

// Missing, in the order in which records list it.
const (
	NoInvite Missing = 1 << iota
	NoFinal
	NoAck
	NoCancel
	NoBye
	NoByeResponse
	OneDirection
	StreamGap
	CutShort
	LossWindow
	RestartGap
	ClockStep
)

// CallFlags is a set of findings about a call.
type CallFlags uint16

// CallFlags, in the order in which records list them.
const (
	NoAckFlag CallFlags = 1 << iota
	CancelRace
	Spiral
	SecondFork
	CauseDerived
	AnswerByAck
	PrivacyApplied
)

// A Party is a side of a call.
type Party uint8

// Parties.
const (
	Unknown Party = iota
	Caller
	Callee
	Network
)

// An EndCause is why a call ended.
type EndCause uint8

// End causes.
const (
	EndNormal EndCause = iota + 1
	EndCancel
	EndFailure
	EndTimeout
	EndSessionTimer
	EndDialogLost
	EndTransfer
	EndEvicted
	EndCapture
)

// An EndSource is what shows the end of a call.
type EndSource uint8

// End sources.
const (
	Observed EndSource = iota + 1
	SessionTimer
	MaxDuration
	RingTimeout
	CaptureEnd
)

// A Transfer is how a call was handed on.
type Transfer uint8

// Transfers.
const (
	NoTransfer Transfer = iota
	Blind
	Attended
)

// A Call is one call attempt or one answered fork of it, at one Stage. Times that were not seen are zero.
type Call struct {
	FirstSeen time.Time // first message of the call, whatever it was
	Setup     time.Time // first INVITE
	Progress  time.Time // first 101-199
	Ring      time.Time // first 180 or 183
	Answer    time.Time // first 2xx to the INVITE, or the ACK that proves one
	End       time.Time

	Disposition  Disposition
	Code         int // final response; 0 when none was seen
	Cause        int // Q.850; 0 when neither given nor derivable
	EndCause     EndCause
	EndSource    EndSource
	DisconnectBy Party
	Status       Status
	Missing      Missing
	Completeness int // percent, rounded down
	Flags        CallFlags
	Transfer     Transfer

	Retransmissions int
	Challenges      int
	Redirects       int
	Forks           int
	Reinvites       int
	Holds           int
	Held            time.Duration
	EarlyMedia      bool
	Restored        bool // after a restart: its texts and addresses are gone
	SessionExpires  int  // seconds; 0 without a session timer
	Vias            int
	Reuse           int // ordinal of the same Call-ID and caller tag used again within the day; 0 for the first

	Flow       capture.Flow // of the first INVITE on the caller's hop, or the first message seen
	VLAN       uint16
	Onward     capture.Flow // of the INVITE on the hop by which the call left; zero if that was not seen
	OnwardVLAN uint16
	Link       [6]byte
	Point      string
	Origin     capture.Origin
	Facts      facts.Facts

	Leg  Key // Call-ID and caller tag
	Join Join
}

// A RegistrationState is the result of a REGISTER, or of its expiry.
type RegistrationState uint8

// Registration states.
const (
	Registered RegistrationState = iota + 1
	Moved
	ChangedDevice
	Deregistered
	Expired
	RegistrationAuthFailed
	RegistrationRejected
	Recovered
	RegistrationStates
)

// A Registration is one change of state of one binding (RFC 3261 section 10).
type Registration struct {
	At           time.Time // the final response, or the end of the granted expiry
	State        RegistrationState
	Code         int
	Expires      int // seconds as granted
	Refreshes    int
	Status       Status
	Missing      Missing
	Completeness int

	Retransmissions int
	Challenges      int
	CSeq            uint32 // of the last REGISTER
	Vias            int
	Flow            capture.Flow
	VLAN            uint16
	Link            [6]byte
	Point           string
	Origin          capture.Origin
	Facts           facts.Facts
}

// A Log collects Events in the order in which they became certain.
type Log struct{ events []Event }

// Start makes l append to dst.
func (l *Log) Start(dst []Event) { l.events = dst }

// Add appends e.
func (l *Log) Add(e Event) { l.events = append(l.events, e) }

// Take returns the slice of Start with the Events that were added, and resets l.
func (l *Log) Take() []Event {
	events := l.events
	l.events = nil
	return events
}

// When returns nanoseconds as a time, the zero Time for 0.
func When(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}
