package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"sipsieve/store/cpni"
	"sipsieve/store/policy"
	"sipsieve/store/policy/approval"
)

// takenUp are the keys that take effect while the daemon runs; of a section all of its keys do. Every other waits for a
// restart.
var takenUp = []string{"policy", "log_level", "bus.rate"}

// Reread reads the configuration of s again, with its policy and approvals. Its error has everything that is wrong with
// them, and what the daemon that s was made for cannot change while it runs, each with its key. today is for the policy's
// review.
func (s *Setup) Reread(today time.Time) (*Setup, error) {
	if err := readable(s.File); err != nil {
		return nil, err
	}
	c, err := Load(s.File)
	if err != nil {
		return nil, err
	}
	if c.Rules.File != "" {
		if err := errors.Join(readable(c.Rules.File), readable(approval.PathOf(c.Rules.File))); err != nil {
			return nil, err
		}
	}
	next, err := Resolve(c)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(next.Policy.Reviewable(today), next.CheckApproval()); err != nil {
		return nil, err
	}
	return next, s.waits(next)
}

// rereadLimit is how many bytes a file may have that is read while the daemon runs. A policy may have 64 KiB, the
// approvals of one 1 MiB.
const rereadLimit = 16 << 20

// readable refuses a file at path whose reading might not end, such as a pipe that nobody writes to or a device: the daemon
// would read no configuration again, and not stop. A file that is missing is for its reader to report.
func readable(path string) error {
	st, err := os.Stat(path)
	switch {
	case err != nil || st.IsDir():
		return nil
	case !st.Mode().IsRegular():
		return fmt.Errorf("%s: is a pipe, a socket or a device: want a regular file", path)
	case st.Size() > rereadLimit:
		return fmt.Errorf("%s: has %d bytes: want %d at most", path, st.Size(), rereadLimit)
	}
	return nil
}

// waits returns what of next takes effect at a restart only.
func (s *Setup) waits(next *Setup) error {
	var errs []error
	for _, key := range differences("", reflect.ValueOf(s.Config), reflect.ValueOf(next.Config)) {
		if section, _, _ := strings.Cut(key, "."); !slices.Contains(takenUp, section) && !slices.Contains(takenUp, key) {
			errs = append(errs, next.Wrong(key, "%w", errRestart))
		}
	}
	if !s.random() && s.Vault.Fingerprint() != next.Vault.Fingerprint() {
		errs = append(errs, next.Wrong("keys", "other keys than at the start: %w", errRestart))
	}
	return errors.Join(append(errs, s.policyWaits(next)...)...)
}

// errRestart is why a change is refused.
var errRestart = errors.New("this change waits for a restart")

// differences returns the keys of the tables a and b, of one type, whose values differ.
func differences(prefix string, a, b reflect.Value) (keys []string) {
	for i := range a.NumField() {
		name := a.Type().Field(i).Tag.Get("toml")
		if name == "" || name == "-" {
			continue
		}
		keys = append(keys, differ(prefix+name, a.Field(i), b.Field(i))...)
	}
	return keys
}

// differ returns the keys at and below key whose values a and b differ.
func differ(key string, a, b reflect.Value) (keys []string) {
	switch {
	case a.Kind() == reflect.Pointer && !a.IsNil() && !b.IsNil():
		return differ(key, a.Elem(), b.Elem())
	case a.Kind() == reflect.Struct:
		return differences(key+".", a, b)
	case a.Kind() == reflect.Slice && a.Type().Elem().Kind() == reflect.Struct && a.Len() == b.Len():
		for i := range a.Len() {
			keys = append(keys, differences(key+"."+strconv.Itoa(i)+".", a.Index(i), b.Index(i))...)
		}
		return keys
	case reflect.DeepEqual(a.Interface(), b.Interface()), a.Kind() == reflect.Slice && a.Len()+b.Len() == 0:
		return nil
	}
	return []string{key}
}

// policyWaits returns what of the policy of next the parts of the daemon cannot do that were made by that of s.
func (s *Setup) policyWaits(next *Setup) (errs []error) {
	say := func(key, text string) {
		errs = append(errs, fmt.Errorf("%s: %s: %s: %w", next.PolicyName(), key, text, errRestart))
	}
	fields := s.Policy.Fields()
	for _, u := range next.Policy.Purposes() {
		key := "purpose." + u.Name
		before, ok := s.Policy.Purpose(u.Name)
		if !ok {
			say(key, "a new purpose")
			continue
		}
		if before.BusRetain != u.BusRetain {
			say(key+".bus_retain", "the stream has that of the start")
		}
		if before.Priority != u.Priority {
			say(key+".priority", "the streams have the shares of the start")
		}
		s.purposeWaits(u, say)
		for _, l := range u.Lines() {
			if one := []cpni.Field{l.Field}; cpni.NeedsLegs(one) && !cpni.NeedsLegs(fields) {
				say(key+".fields."+l.Field.String(), "legs of calls are not joined, since no purpose kept a field of them at the start")
			}
		}
	}
	for _, u := range s.Policy.Purposes() {
		if _, ok := next.Policy.Purpose(u.Name); !ok {
			say("purpose."+u.Name, "a purpose less")
		}
	}
	return errs
}

// purposeWaits says which stages and kinds of u nothing is made of, because no purpose took them at the start.
func (s *Setup) purposeWaits(u *policy.Purpose, say func(key, text string)) {
	var stages, kinds []string
	for _, one := range s.Policy.Purposes() {
		stages, kinds = append(stages, one.Stages...), append(kinds, one.Kinds...)
	}
	for _, stage := range u.Stages {
		if !slices.Contains(stages, stage) {
			say("purpose."+u.Name+".stages", "no purpose took "+stage+" at the start")
		}
	}
	if device := cpni.DeviceKind.String(); slices.Contains(u.Kinds, device) && !slices.Contains(kinds, device) {
		say("purpose."+u.Name+".kinds", "no purpose took "+device+" at the start")
	}
}

// PolicyName returns what messages call the policy.
func (s *Setup) PolicyName() string {
	if s.Rules.File == "" {
		return "policy.toml"
	}
	return s.Rules.File
}
