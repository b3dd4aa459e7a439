package review

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"sipsieve/store/policy"
)

func title(p *policy.Policy) string {
	return fmt.Sprintf("Policy %q, hash %s, owned by the %s, last reviewed %s, to be reviewed every %s", p.Name, p.Hash(),
		p.Owner, p.Reviewed.Format(time.DateOnly), p.ReviewEvery)
}

// explanation returns the page that is signed.
func explanation(p *policy.Policy) page {
	v := page{title: title(p), blocks: []block{{heading: "Purposes", table: purposeTable(p)}}}
	if off := switchedOff(p); off != "" {
		v.blocks = append(v.blocks, block{label: "Switched off, so that they collect nothing", text: off})
	}
	facts := general(p)
	facts[0].heading = "For every purpose"
	v.blocks = append(v.blocks, facts...)
	for _, u := range p.Purposes() {
		v.blocks = append(v.blocks, purposeBlocks(u)...)
	}
	v.blocks = append(v.blocks, block{heading: "Approval", text: fmt.Sprintf("I approve the policy of hash %s as described "+
		"here. Name and role: ____________________ Date: __________ Signature: ____________________", p.Hash())})
	return v
}

// purposeTable has a row for each enabled purpose. The last column is there only if it is not zero for all.
func purposeTable(p *policy.Policy) *table {
	t := &table{caption: "Enabled purposes, and how many fields leave in which form",
		head:   []string{"Purpose", "Why", "Law", "Meant for", "Kept", "Clear", "Pseud.", "Coarse", "Y/N"},
		widths: []int{11, 22, 16, 14, 9, 5, 6, 6, 3}}
	last := 0
	for _, u := range p.Purposes() {
		g := grouped(u)
		row := []string{u.Name, u.Why, u.Basis, strings.Join(u.Audience, ", "), u.Retain.String()}
		for _, lines := range g {
			row = append(row, strconv.Itoa(len(lines)))
		}
		t.rows = append(t.rows, row)
		last += len(g[notBuilt])
	}
	if last > 0 {
		t.head, t.widths = append(t.head, "N/A"), append(t.widths, 3)
		t.widths[1] -= 4
		return t
	}
	for i, row := range t.rows {
		t.rows[i] = row[:len(t.head)]
	}
	return t
}

func switchedOff(p *policy.Policy) string {
	var off []string
	for _, u := range p.All() {
		if !u.Enabled {
			off = append(off, u.Name)
		}
	}
	return strings.Join(off, ", ")
}

// general returns what holds for every purpose, as far as it is enforced.
func general(p *policy.Policy) []block {
	return []block{
		{label: "What it does not do", text: "No media, message body, secret or free text is kept, and no policy can switch them " +
			"on. Whatever a policy does not name is dropped inside the sensor (default deny). The location that a call " +
			"states is noted as there or not, for emergency calls only. Nothing is sold: records go to the operator's own store and hub, nowhere else."},
		{label: "Withheld numbers", text: "The number of a party who asked for privacy (RFC 3323, RFC 3325) leaves only as a " +
			"pseudonym or as yes or no, but for billing, legal and emergency."},
		{label: "Who reads", text: "On the host files have mode 0600 and folders 0700: the daemon's user and root can read every " +
			"purpose; what query, report and tail hand out is entered in access.log. On a hub the operator's own NATS " +
			"permissions decide; this version does not generate them from the audiences below."},
		{label: "Keys", text: keyWords(p)},
		{label: "What can be joined", text: "Pseudonyms and ids differ between purposes. Times, durations and delays name nobody, " +
			"but who holds the records of two purposes can match calls by them." + orderWords(p)},
		{label: "In every record, beside its fields", text: "its type (schema, kind, stage, purpose, policy, class), keyed ids " +
			"(id, dialog, revision), how much was seen (status, missing, completeness), the day of deletion (expires, which " +
			"shows the day or month of the call) and where it was seen (site, sensor, source). A part of an answered call that " +
			"two hosts saw has blind_clock if the purpose keeps durations, blind_side if it keeps disconnect_by: random by " +
			"themselves; both parts give the duration and who hung up."},
	}
}

// keyWords returns what the policy says of keys, and what is so.
func keyWords(p *policy.Policy) string {
	k := p.Keys
	text := "Both roots, of ids and of pseudonyms, lie on the host and do not change: who has them can make each pseudonym " +
		"again, of past epochs too. With an epoch ends only that pseudonyms match."
	var names []string
	for _, one := range [][2]string{{"source", k.Source}, {"ids", k.IDs}, {"pseudonym", k.Pseudonym}, {"overlap", k.Overlap}} {
		if one[1] != "" {
			names = append(names, one[0]+" "+one[1])
		}
	}
	if len(names) > 0 {
		text += " The policy names: " + strings.Join(names, ", ") + "; the daemon reads the key file of its configuration or " +
			"its credential, not these."
	}
	if k.Overlap != "" {
		text += " A late record gets the pseudonyms of its own time, however late; the overlap limits nothing."
	}
	return text
}

// purposeBlocks returns a heading, who, how long and what, and a sentence a group of fields.
func purposeBlocks(u *policy.Purpose) []block {
	records := strings.Join(u.Kinds, ", ")
	if u.When != "" {
		records += " (only of " + u.When + " calls)"
	}
	blocks := []block{{heading: u.Name, label: "Permitted by", text: fmt.Sprintf("%s. Kept %s; on the bus %s. Records: %s, "+
		"at stage %s%s.", law(u), kept(u), u.BusRetain, records, strings.Join(u.Stages, ", "), together(u))}}
	g := grouped(u)
	for n, lines := range g {
		for _, r := range byReason(lines) {
			blocks = append(blocks, block{label: groupLabel(u, group(n), r.because), text: groupText(group(n), r.lines) + "."})
		}
	}
	if text := withheldText(u); text != "" {
		blocks = append(blocks, block{label: "If its party asks for privacy", text: text})
	}
	return blocks
}

// groupLabel returns how the sentence of a group begins.
func groupLabel(u *policy.Purpose, n group, because string) (label string) {
	switch n {
	case clear:
		label = "In clear"
	case pseudonym:
		label = "As pseudonyms that change every " + strings.TrimPrefix(daysOf(u.Epoch).String(), "1 ")
	case coarse:
		label = "Coarse"
	case yesNo:
		label = "Only whether there was one"
	default:
		label = "In a form that this version does not have, so that no daemon loads the policy"
	}
	switch {
	case because != "":
		return label + ", because " + because
	case n == clear:
		return label + ", because the register suggests it for this purpose"
	}
	return label
}

// together returns how the records of u are published if they do not leave at once, behind a comma; else "".
func together(u *policy.Purpose) string {
	switch u.Window() {
	case 0:
		return ""
	case time.Minute:
		return ", published each minute, sorted by id"
	}
	return ", published each hour, sorted by id"
}

// orderWords returns what it costs that purposes are published at once, with a blank before it; "" if none is.
func orderWords(p *policy.Policy) string {
	var atOnce []string
	for _, u := range p.Purposes() {
		if u.Window() == 0 {
			atOnce = append(atOnce, u.Name)
		}
	}
	if len(atOnce) == 0 {
		return ""
	}
	return fmt.Sprintf(" Records of %s leave at once: who holds two of "+
		"these can match them by order alone, and sees the moment of a call's end.", strings.Join(atOnce, ", "))
}

func groupText(n group, lines []policy.Line) string {
	switch n {
	case clear:
		text := named(lines, policy.Keep, policy.E164)
		return strings.ReplaceAll(text, "session_group", "session_group (a keyed id of the purpose)")
	case pseudonym:
		return named(lines, policy.Pseudonym)
	case yesNo:
		return named(lines, policy.Presence)
	}
	return named(lines)
}

// withheldText returns what becomes of the numbers of u whose parties may withhold them; "" if u has none.
func withheldText(u *policy.Purpose) string {
	var forms, texts []string
	of := map[string][]string{} // the fields that leave in one form
	for _, l := range u.Lines() {
		if l.Field.Entry().Party == "" {
			continue
		}
		form := withheldForm(u, l)
		if of[form] == nil {
			forms = append(forms, form)
		}
		of[form] = append(of[form], l.Field.String())
	}
	for _, form := range forms {
		texts = append(texts, fmt.Sprintf("%s: %s", strings.Join(of[form], ", "), form))
	}
	if len(texts) == 0 {
		return ""
	}
	return strings.Join(texts, "; ") + "."
}
