package approval

import (
	"crypto/ed25519"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/configs"
	"sipsieve/store/policy"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 123, time.UTC)

// policyOf returns the shipped policy with changes: old, new, old, new.
func policyOf(t *testing.T, changes ...string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("policy.toml", []byte(strings.NewReplacer(changes...).Replace(string(configs.Policy))))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// keyOf returns a private key, another for each number.
func keyOf(number byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(append(make([]byte, 31), number))
}

// approverOf returns the Approver of a role with the key of that number.
func approverOf(t *testing.T, role string, number byte) Approver {
	t.Helper()
	o, err := ApproverOf(role, keyOf(number))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// approve adds the approval of p to those of the policy at path.
func approve(t *testing.T, path, role string, number byte, p, before *policy.Policy) Approval {
	t.Helper()
	a, err := Sign(keyOf(number), role, noon, p, before)
	if err == nil {
		err = Add(path, a)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// check returns the roles in which p is approved, and why it is not in others.
func check(t *testing.T, path string, p *policy.Policy, approvers ...Approver) ([]string, error) {
	t.Helper()
	l, err := Read(path)
	if err != nil {
		return nil, err
	}
	approved, err := l.Check(path, p, approvers)
	var roles []string
	for _, a := range approved {
		roles = append(roles, a.Role)
	}
	return roles, err
}

func TestAnApprovalComesBackAsItWasSigned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.toml")
	before, p := policyOf(t), policyOf(t, "owner ", "#", "reviewed ", "owner = \"été \\\"Ω\\\" <\\t\\\\ \"\nreviewed ")
	officer := approve(t, path, "privacy-officer", 1, p, before)
	counsel := approve(t, path, "counsel", 2, p, nil)
	l, err := Read(path)
	if err != nil || len(l) != 2 {
		t.Fatalf("approvals = %v, %v, want two", l, err)
	}
	for i, want := range []Approval{counsel, officer} {
		if l[i].String() != want.String() || l[i].Since != want.Since || !slices.Equal(l[i].Changes, want.Changes) {
			t.Errorf("got  %+v\nwant %+v", l[i], want)
		}
	}
	if got := officer.String(); got != "privacy-officer on 2026-11-20T12:00:00Z" || officer.SinceHash() != before.Hash() ||
		len(officer.Changes) != 1 || !strings.HasPrefix(officer.Changes[0], "neutral: owner: ") {
		t.Errorf("%s, since %s, %q", got, officer.SinceHash(), officer.Changes)
	}
	if len(counsel.Changes) < 20 || !strings.HasPrefix(counsel.Changes[0], "widening: ") {
		t.Errorf("a first policy changes %q", counsel.Changes)
	}
	roles, err := check(t, path, p, approverOf(t, "privacy-officer", 1), approverOf(t, "counsel", 2))
	if err != nil || !slices.Equal(roles, []string{"privacy-officer", "counsel"}) {
		t.Errorf("approved as %q, %v", roles, err)
	}
	if st, err := os.Stat(PathOf(path)); err != nil || st.Mode().Perm() != 0o644 {
		t.Errorf("mode = %v, %v: want that the daemon's user can read it", st.Mode(), err)
	}
}

func TestEachRoleHasToApprove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.toml")
	p, other := policyOf(t), policyOf(t, "# The shipped", "# A shipped")
	officer, counsel := approverOf(t, "privacy-officer", 1), approverOf(t, "counsel", 2)
	deputy := approverOf(t, "privacy-officer", 3)
	for name, one := range map[string]struct {
		sign      func()
		approvers []Approver
		why       string // "" for approved
	}{
		"nobody":             {func() {}, []Approver{officer}, "is not there"},
		"one of two":         {func() { approve(t, path, "counsel", 2, p, nil) }, []Approver{counsel, officer}, "nobody approved"},
		"both":               {func() { approve(t, path, "privacy-officer", 1, p, nil) }, []Approver{counsel, officer}, ""},
		"the deputy's key":   {func() { approve(t, path, "privacy-officer", 3, p, nil) }, []Approver{officer, deputy}, ""},
		"another key":        {func() { approve(t, path, "privacy-officer", 4, p, nil) }, []Approver{officer, deputy}, "not signed by a key of that role"},
		"another's role":     {func() { approve(t, path, "privacy-officer", 2, p, nil) }, []Approver{officer, counsel}, "not signed by a key of that role"},
		"one comment more":   {func() { approve(t, path, "privacy-officer", 1, other, nil) }, []Approver{officer}, "it was changed since"},
		"changes from there": {func() { approve(t, path, "privacy-officer", 1, p, other) }, []Approver{officer}, ""},
	} {
		_ = os.Remove(PathOf(path))
		if name == "both" {
			approve(t, path, "counsel", 2, p, nil)
		}
		one.sign()
		_, err := check(t, path, p, one.approvers...)
		switch {
		case one.why == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case one.why != "" && (err == nil || !strings.Contains(err.Error(), one.why) || !strings.Contains(err.Error(), PathOf(path)) ||
			!strings.Contains(err.Error(), "sipsieve policy approve")):
			t.Errorf("%s: %v\nwant %q, the file, and what to do", name, err, one.why)
		}
	}
}

// TestNothingOfAnApprovalCanBeChanged changes each part that is signed, with the signature left as it is.
func TestNothingOfAnApprovalCanBeChanged(t *testing.T) {
	p, before, other := policyOf(t), policyOf(t, "18 months", "19 months"), policyOf(t, "18 months", "20 months")
	good, err := Sign(keyOf(1), "privacy-officer", noon, p, before)
	if err != nil || !good.signedBy(approverOf(t, "privacy-officer", 1).Key) {
		t.Fatalf("%v: not signed", err)
	}
	for name, change := range map[string]func(*Approval){
		"role":           func(a *Approval) { a.Role = "counsel" },
		"policy":         func(a *Approval) { a.Policy = digest(other) },
		"time":           func(a *Approval) { a.Time = a.Time.Add(time.Second) },
		"part of second": func(a *Approval) { a.Time = a.Time.Add(1) },
		"since":          func(a *Approval) { a.Since = digest(other) },
		"no since":       func(a *Approval) { a.Since = "" },
		"a word":         func(a *Approval) { a.Changes[0] = strings.Replace(a.Changes[0], "narrowing", "neutral", 1) },
		"one less":       func(a *Approval) { a.Changes = a.Changes[1:] },
		"one more":       func(a *Approval) { a.Changes = append(a.Changes, "") },
		"joined":         func(a *Approval) { a.Since, a.Changes = a.Since+"\n"+a.Changes[0], a.Changes[1:] },
		"signature":      func(a *Approval) { a.Signature = a.Signature[:86] + "==" + a.Signature[86:] },
		"none":           func(a *Approval) { a.Signature = "" },
	} {
		bad := good
		bad.Changes = slices.Clone(good.Changes)
		change(&bad)
		bad.Key = approverOf(t, "privacy-officer", 1).String()
		if bad.signedBy(approverOf(t, "privacy-officer", 1).Key) {
			t.Errorf("%s: the signature holds", name)
		}
	}
}

// TestNoFlippedBitIsApproved flips bits of the file: what it says is another thing, or is refused, or has no meaning.
func TestNoFlippedBitIsApproved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.toml")
	p, before, officer := policyOf(t), policyOf(t, "18 months", "19 months"), approverOf(t, "privacy-officer", 1)
	good := approve(t, path, "privacy-officer", 1, p, before)
	text, err := os.ReadFile(PathOf(path))
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		flipped := slices.Clone(text)
		flipped[i] ^= 1 << rand.IntN(8)
		l, err := parse("policy.toml.approval", flipped)
		if err != nil {
			continue
		}
		approved, err := l.Check(path, p, []Approver{officer})
		if err != nil {
			continue
		}
		if string(approved[0].message()) != string(good.message()) {
			t.Errorf("byte %d: %q is approved", i, flipped)
		}
	}
}

// TestOddFilesAreRefused: also two approvals of a role, of which one could hide the other.
func TestOddFilesAreRefused(t *testing.T) {
	a, err := Sign(keyOf(1), "counsel", noon, policyOf(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	twice := string(List{a, a}.text())
	for name, text := range map[string]string{"no TOML": "[[approval", "a key more": "[[approval]]\nrole = \"a\"\nkeys = \"\"\n",
		"twice": twice, "a role": "[[approval]]\nrole = \"The Officer\"\n", "no role": "[[approval]]\n",
		"a long one": "#" + strings.Repeat("x", fileLimit)} {
		if _, err := parse("f", []byte(text)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	path := filepath.Join(t.TempDir(), "policy.toml")
	if err := os.Mkdir(PathOf(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil {
		t.Error("a folder is taken")
	}
	if err := Add(path, a); err == nil {
		t.Error("a folder is replaced")
	}
	if left, err := filepath.Glob(path + "*"); err != nil || len(left) != 1 {
		t.Errorf("left over: %q, %v", left, err)
	}
}

// TestAnApprovalFollowsTheOneBefore: the changes that are signed are those since the policy that the role approved last.
func TestAnApprovalFollowsTheOneBefore(t *testing.T) {
	first, second, third := policyOf(t), policyOf(t, "18 months", "19 months"), policyOf(t, "18 months", "20 months")
	sign := func(p, before *policy.Policy) List {
		a, err := Sign(keyOf(1), "counsel", noon, p, before)
		if err != nil {
			t.Fatal(err)
		}
		return List{a}
	}
	for name, one := range map[string]struct {
		last      List
		p, before *policy.Policy
		ok        bool
	}{
		"the first":                       {nil, first, nil, true},
		"the first after another's":       {nil, second, first, true},
		"the first, once more":            {sign(first, nil), first, nil, true},
		"once more, from another":         {sign(first, nil), first, second, false},
		"the second":                      {sign(first, nil), second, first, true},
		"the second as if the first":      {sign(first, nil), second, nil, false},
		"the second, once more":           {sign(second, first), second, first, true},
		"the second, once more, as first": {sign(second, first), second, nil, false},
		"the third from the first":        {sign(second, first), third, first, false},
	} {
		if err := one.last.Follows("counsel", one.p, one.before); (err == nil) != one.ok {
			t.Errorf("%s: error = %v", name, err)
		}
		if err := one.last.Follows("privacy-officer", one.p, one.before); err != nil {
			t.Errorf("%s, in another role: error = %v", name, err)
		}
	}
}

func TestApproversAreRead(t *testing.T) {
	want := approverOf(t, "privacy-officer", 1)
	got, err := ParseApprover(want.String())
	if err != nil || got.String() != want.String() {
		t.Errorf("got = %v, %v, want %v", got, err, want)
	}
	key := strings.TrimPrefix(want.String(), "privacy-officer:ed25519:")
	for _, text := range []string{"", "privacy-officer", "privacy-officer:" + key, ":ed25519:" + key, "A b:ed25519:" + key,
		"a:ed25519:" + key[:40], "a:ed25519:" + key + "AAAA", "a:rsa:" + key, "a:ed25519:" + strings.Replace(key, "=", "", 1),
		strings.Repeat("a", 33) + ":ed25519:" + key, " a:ed25519:" + key, "a:ed25519:" + key + "\n"} {
		if _, err := ParseApprover(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestKeysAreReadByTheirOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "officer.pem")
	if err := CreateKey(path); err != nil {
		t.Fatal(err)
	}
	key, err := LoadKey(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if CreateKey(path) == nil {
		t.Error("a key is written over")
	}
	if again, err := LoadKey(path, false); err != nil || !again.Equal(key) {
		t.Errorf("%v: another key", err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o601, 0o620} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKey(path, false); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("%v: error = %v, want one that names chmod", mode, err)
		}
		if _, err := LoadKey(path, true); err != nil {
			t.Errorf("a credential of %v: %v", mode, err)
		}
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"nothing": "", "text": "secret-word", "rsa": "-----BEGIN PRIVATE KEY-----\nc2VjcmV0LXdvcmQ=\n-----END PRIVATE KEY-----\n"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKey(path, false); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error = %v, want one that quotes nothing", name, err)
		}
	}
	if _, err := LoadKey(dir, false); err == nil {
		t.Error("a folder is taken")
	}
}
