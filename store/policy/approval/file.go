package approval

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"sipsieve/store/disk"
	"sipsieve/store/policy"
	"sipsieve/store/policy/locate"
)

// A List is the approvals of one file, one a role.
type List []Approval

// A file is a List as it is written.
type file struct {
	Approval []Approval `toml:"approval"`
}

// fileLimit is how many bytes a file of approvals may have.
const fileLimit = 1 << 20

// PathOf returns where the approvals of the policy at path are.
func PathOf(path string) string { return path + ".approval" }

// Read reads the approvals of the policy at path. Without a file there are none.
func Read(path string) (List, error) {
	name := PathOf(path)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("approval: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, fileLimit+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("approval: %w", err)
	}
	return parse(name, text)
}

// parse reads a file of approvals, which errors call name.
func parse(name string, text []byte) (List, error) {
	if len(text) > fileLimit {
		return nil, fmt.Errorf("%s:1: want %d bytes at most", name, fileLimit)
	}
	var f file
	md, err := toml.Decode(string(text), &f)
	if err != nil {
		return nil, locate.Misread(name, err)
	}
	if unknown := md.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("%s: %s: unknown key", name, unknown[0])
	}
	for i := range f.Approval {
		role := f.Approval[i].Role
		if err := checkRole(role); err != nil {
			return nil, fmt.Errorf("%s: approval %d: %w", name, i+1, err)
		}
		if (List(f.Approval[:i])).Of(role) != nil {
			return nil, fmt.Errorf("%s: two approvals in the role %s: want one", name, role)
		}
	}
	return f.Approval, nil
}

// Of returns the approval in a role, nil for none.
func (l List) Of(role string) *Approval {
	if i := slices.IndexFunc(l, func(a Approval) bool { return a.Role == role }); i >= 0 {
		return &l[i]
	}
	return nil
}

// Follows returns an error unless the changes of p from before (nil: everything in it) are those since the last policy that
// l has as approved in that role: who reads them would not see what becomes different.
func (l List) Follows(role string, p, before *policy.Policy) error {
	last := l.Of(role)
	if last == nil {
		return nil
	}
	want := last.Policy
	if want == digest(p) { // once more
		want = last.Since
	}
	switch {
	case before == nil && want == "", before != nil && digest(before) == want:
		return nil
	case want == "":
		return fmt.Errorf("approval: %s approved %s as the first policy: leave out --since, or remove that approval",
			role, p.Hash())
	}
	return fmt.Errorf("approval: the one before that %s approved is policy %s: want --since with its text, which "+
		"sipsieve policy show %[2]s prints, or remove that approval", role, shortened(want))
}

// Add writes a to the approvals of the policy at path, in place of one in the same role. Everybody may read the file: it
// has no secret.
func Add(path string, a Approval) error {
	l, err := Read(path)
	if err != nil {
		return err
	}
	l = slices.DeleteFunc(l, func(one Approval) bool { return one.Role == a.Role })
	l = append(l, a)
	slices.SortFunc(l, func(a, b Approval) int { return strings.Compare(a.Role, b.Role) })
	if err := disk.ReplaceFile(PathOf(path), l.text(), 0o644); err != nil {
		return fmt.Errorf("approval: %w", err)
	}
	return nil
}

// text returns l as Read reads it, one change a line.
func (l List) text() []byte {
	b := []byte("# Who approved the policy beside this file, made by sipsieve policy approve. A change of the policy, or of\n" +
		"# anything here, makes a signature untrue.\n")
	for i := range l {
		a := &l[i]
		b = fmt.Appendf(b, "\n[[approval]]\nrole = %s\npolicy = %s\ntime = %s\nsince = %s\nchanges = [\n", quote(a.Role),
			quote(a.Policy), a.Time.UTC().Format(time.RFC3339), quote(a.Since))
		for _, c := range a.Changes {
			b = fmt.Appendf(b, "  %s,\n", quote(c))
		}
		b = fmt.Appendf(b, "]\nkey = %s\nsignature = %s\n", quote(a.Key), quote(a.Signature))
	}
	return b
}

// quote returns text as a basic string of TOML, which has the escapes of JSON and more.
func quote(text string) string {
	b, _ := json.Marshal(text) // never fails
	return strings.ReplaceAll(string(b), "\x7f", `\u007f`)
}

// Check returns the approvals of p in l that are signed by approvers, one a role, in the order of approvers. Its error has a
// line for each role without one: why, and what is to be done. path is the file of the policy.
func (l List) Check(path string, p *policy.Policy, approvers []Approver) (approved List, err error) {
	var roles []string
	for _, o := range approvers {
		if !slices.Contains(roles, o.Role) {
			roles = append(roles, o.Role)
		}
	}
	for _, role := range roles {
		if why := l.check(path, p, role, approvers); why != nil {
			err = errors.Join(err, why)
			continue
		}
		approved = append(approved, *l.Of(role))
	}
	return approved, err
}

// check returns why p is not approved in a role, nil if it is. Of several keys of a role one is enough.
func (l List) check(path string, p *policy.Policy, role string, approvers []Approver) error {
	a := l.Of(role)
	todo := fmt.Sprintf("sipsieve policy approve %s --role %s --key KEYFILE signs it", path, role)
	switch {
	case len(l) == 0:
		return fmt.Errorf("%s is not there, or has no approval: policy %s is not approved: %s", PathOf(path), p.Hash(), todo)
	case a == nil:
		return fmt.Errorf("%s: nobody approved policy %s as %s: %s", PathOf(path), p.Hash(), role, todo)
	case a.Policy != digest(p):
		return fmt.Errorf("%s: %s approved policy %s, and %s is policy %s: it was changed since: bring the approved file "+
			"back, or review the change: %s", PathOf(path), role, a.Hash(), path, p.Hash(), todo)
	}
	for _, o := range approvers {
		if o.Role == role && a.signedBy(o.Key) {
			return nil
		}
	}
	return fmt.Errorf("%s: the approval as %s is not signed by a key of that role, or was changed after it was signed: %s",
		PathOf(path), role, todo)
}
