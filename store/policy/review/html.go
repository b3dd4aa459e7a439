// This file has methods of page, block and table because a format is a file: this one writes HTML.

package review

import (
	"html"
	"io"
	"strings"
)

// style is for paper first: small print, headers again on each sheet, rows unbroken. No mark is a colour alone.
const style = `@page{size:A4;margin:11mm}
body{font:8.5pt/1.25 sans-serif;color:#000;background:#fff;max-width:190mm;margin:0 auto}
h1{font-size:11pt;margin:0 0 1mm}h2{font-size:9pt;margin:2mm 0 .5mm;break-after:avoid}p{margin:.4mm 0}
table{border-collapse:collapse;width:100%}caption{text-align:left}thead{display:table-header-group}
tr{break-inside:avoid}th,td{border:1px solid #777;padding:.2mm 1mm;text-align:left;vertical-align:top;overflow-wrap:break-word}
.apart{break-before:page}`

func (v page) html(w io.Writer) error {
	var b strings.Builder
	title := html.EscapeString(v.title)
	b.WriteString("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n" +
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
		if k.apart {
			class = ` class="apart"`
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
		b.WriteString(`<tr><th scope="row">` + html.EscapeString(row[0]) + "</th>")
		for _, cell := range row[1:] {
			b.WriteString("<td>" + html.EscapeString(cell) + "</td>")
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</tbody>\n</table>\n")
}
