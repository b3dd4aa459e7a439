package review

// An envelopeKey is what every record has, or a part of a call, whatever the policy names.
type envelopeKey struct{ name, holds, learned string }

// envelope is explained like the fields of a policy.
var envelope = []envelopeKey{
	{"schema", "the form of the record and its version", learned["none"]},
	{"kind", "call, registration, device or loss", learned["none"]},
	{"stage", "the point at which it was published", learned["none"]},
	{"id", "a keyed hash of the call or event, another one for each purpose; no epoch changes its key", "which records are of one call, and with the key of ids whether it is a call that is known"},
	{"dialog", "of an answered call, a keyed hash that is the same on every host that saw a part of it, another one for each purpose", "as of id"},
	{"revision", "a number that counts the records of one id", learned["none"]},
	{"status", "whether the call or event was seen whole, from a closed list", learned["none"]},
	{"missing", "which messages were not seen, from a closed list", "together with other facts it can single a call out"},
	{"completeness", "the share of its messages that was seen, in percent", "together with other facts it can single a call out"},
	{"purpose", "the purpose of the record", learned["none"]},
	{"policy", "the hash of the policy that it was made under", learned["none"]},
	{"class", "the word cpni: handle it as 47 USC 222 demands", learned["none"]},
	{"expires", "the day of its deletion", "the day or month of the call, as the policy cuts its time"},
	{"site", "the site of the sensor, as configured", "where the call was carried: which of the operator's sites"},
	{"sensor", "the sensor, as configured", "where the call was carried: which of the operator's hosts"},
	{"source", "the interface or feed that it was seen on, from a closed list", "how the call was carried"},
	{"blind_clock", "only in a part of a call that two hosts saw, for a purpose that keeps durations: " + halfMeaning["blind_clock"], joinable},
	{"blind_side", "only in a part of a call that two hosts saw, for a purpose that keeps disconnect_by: " + halfMeaning["blind_side"], learned["none"]},
}

// halfMeaning is what a part of a call has beside its fields.
var halfMeaning = map[string]string{
	"blind_clock": "by itself a random number; those of both parts give the duration, to the microsecond",
	"blind_side":  "by itself a random bit; those of both parts give disconnect_by",
}
