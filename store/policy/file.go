package policy

import "time"

// A file is a policy as it is written. What has no key here is an error.
type file struct {
	Version     int                    `toml:"version"`
	Name        string                 `toml:"name"`
	Owner       string                 `toml:"owner"`
	Reviewed    time.Time              `toml:"reviewed"`
	ReviewEvery string                 `toml:"review_every"`
	Default     string                 `toml:"default"`
	Keys        keysTable              `toml:"keys"`
	Subscriber  subscriberTable        `toml:"subscriber"`
	Lists       map[string][]string    `toml:"lists"`
	Audience    map[string]audience    `toml:"audience"`
	Purpose     map[string]purposeFile `toml:"purpose"`
	Disclosure  disclosureTable        `toml:"disclosure"`
	Audit       auditTable             `toml:"audit"`
}

// An audience is a role that reads purposes, as [audience.NAME] declares it.
type audience struct {
	Outside bool `toml:"outside"` // it belongs to another company or authority
}

type keysTable struct {
	Source    string `toml:"source"`
	IDs       string `toml:"ids"`
	Pseudonym string `toml:"pseudonym"`
	Sealing   string `toml:"sealing"`
	Signing   string `toml:"signing"`
	Overlap   string `toml:"overlap"`
}

type subscriberTable struct {
	By      []string `toml:"by"`
	Unknown string   `toml:"unknown"`
}

type disclosureTable struct {
	Log   string   `toml:"log"`
	Keep  string   `toml:"keep"`
	Needs []string `toml:"needs"`
}

type auditTable struct {
	Log       string `toml:"log"`
	SignEvery string `toml:"sign_every"`
	Witness   string `toml:"witness"`
}

// KeyNames is what a policy says of keys, "" if it does not: their source, names, and the overlap of epochs.
type KeyNames struct{ Source, IDs, Pseudonym, Overlap string }

// A purposeFile is one purpose as it is written.
type purposeFile struct {
	Enabled        *bool          `toml:"enabled"`
	Why            string         `toml:"why"`
	Basis          string         `toml:"basis"`
	GDPR           string         `toml:"gdpr"`
	Use            string         `toml:"use"`
	Consent        string         `toml:"consent"`
	ConsentList    string         `toml:"consent_list"`
	When           string         `toml:"when"`
	Kinds          []string       `toml:"kinds"`
	Stages         []string       `toml:"stages"`
	Audience       []string       `toml:"audience"`
	From           string         `toml:"from"`
	Retain         string         `toml:"retain"`
	RetainWhy      string         `toml:"retain_why"`
	BusRetain      string         `toml:"bus_retain"`
	MinCorrelation *int           `toml:"min_correlation"`
	Priority       *int           `toml:"priority"`
	Epoch          string         `toml:"epoch"`
	Erase          string         `toml:"erase"`
	OpenWith       []string       `toml:"open_with"`
	CampaignLog    bool           `toml:"campaign_log"`
	Fields         map[string]any `toml:"fields"`
	Noise          *noiseTable    `toml:"noise"`
}

type noiseTable struct {
	Protects   string   `toml:"protects"`
	Epsilon    float64  `toml:"epsilon"`
	Mechanism  string   `toml:"mechanism"`
	MaxCells   int      `toml:"max_cells"`
	MaxCount   int      `toml:"max_count"`
	MaxSeconds int      `toml:"max_seconds"`
	Cells      string   `toml:"cells"`
	Countries  []string `toml:"countries"`
}

// notBuilt returns the keys of f that this version cannot act on, and what is missing.
func (f *purposeFile) notBuilt() (list []missing) {
	for _, one := range []struct {
		named bool
		missing
	}{
		{f.ConsentList != "", missing{"consent_list", "lists of consent"}},
		{f.OpenWith != nil, missing{"open_with", "opening of seals"}},
		{f.CampaignLog, missing{"campaign_log", "the log of campaigns"}},
		{f.Noise != nil, missing{"noise", "noisy aggregates"}},
	} {
		if one.named {
			list = append(list, one.missing)
		}
	}
	return list
}
