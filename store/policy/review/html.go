// This file has methods of page, block and table because a format is a file: this one writes HTML.

package review

import (
	"html"
	"io"
	"strings"
)

// style is for paper first, A4 or letter: small print, headers again on each sheet, rows unbroken. No mark is a colour
// alone. Of the fonts a narrow one is taken if it is there.
const style = `@page{margin:9mm}
body{font:7.6pt/1.2 Arial,"Liberation Sans","DejaVu Sans Condensed",sans-serif;color:#000;background:#fff;max-width:196mm;margin:0 auto}
h1{font-size:10pt;margin:0}h2{font-size:8.5pt;margin:1.2mm 0 0;break-after:avoid}p{margin:.2mm 0}
table{border-collapse:collapse;width:calc(100% - 1px)}caption{text-align:left}thead{display:table-header-group}
tr{break-inside:avoid}th,td{border:1px solid #777;padding:0 1mm;text-align:left;vertical-align:top;overflow-wrap:break-word}
.fields+table{font-size:6.8pt;line-height:1.15}.fields+table th[scope=row]{width:42mm}
@media screen{body{font-size:10.5pt;max-width:60em;padding:1em}h1{font-size:15pt}h2{font-size:12pt;margin-top:1em}.fields+table{font-size:9pt}}`

// sealed has the browser refuse whatever is not in the page: it runs no script and asks nobody for anything.
const sealed = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"

func (v page) html(w io.Writer) error {
	var b strings.Builder
	title := html.EscapeString(v.title)
	b.WriteString("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n" + sealed +
		"<meta name=\"viewport\" content=\"width=device-width\">\n<title>" + title + "</title>\n<style>\n" + style +
		"\n</style>\n</head>\n<body>\n<main>\n<h1>" + title + "</h1>\n")
	for _, k := range v.blocks {
		k.html(&b)
	}
	b.WriteString("</main>\n</body>\n</html>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (k block) html(b *strings.Builder) {
	if k.heading != "" {
		class := ""
		if k.fields {
			class = ` class="fields"`
		}
		b.WriteString("<h2" + class + ">" + html.EscapeString(k.heading) + "</h2>\n")
	}
	switch {
	case k.table != nil:
		k.table.html(b)
	case k.label != "":
		b.WriteString("<p><strong>" + html.EscapeString(k.label) + ":</strong> " + html.EscapeString(k.text) + "</p>\n")
	default:
		b.WriteString("<p>" + html.EscapeString(k.text) + "</p>\n")
	}
}

func (t *table) html(b *strings.Builder) {
	b.WriteString("<table>\n<caption>" + html.EscapeString(t.caption) + "</caption>\n<thead><tr>")
	for _, cell := range t.head {
		b.WriteString(`<th scope="col">` + html.EscapeString(cell) + "</th>")
	}
	b.WriteString("</tr></thead>\n<tbody>\n")
	for _, row := range t.rows {
		b.WriteString(`<tr><th scope="row">` + cellText(row[0]) + "</th>")
		for _, cell := range row[1:] {
			b.WriteString("<td>" + cellText(cell) + "</td>")
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</tbody>\n</table>\n")
}

// longestWord is the longest in a cell that is not broken, in characters.
const longestWord = 24

// cellText returns text as HTML in which a longer word, such as an address of the web, may be broken.
func cellText(text string) string {
	var b strings.Builder
	n := 0
	for _, c := range text {
		if n++; c == ' ' {
			n = 0
		}
		b.WriteString(html.EscapeString(string(c)))
		if n == longestWord {
			b.WriteString("<wbr>")
			n = 0
		}
	}
	return b.String()
}
