// Package plot draws line and bar charts as SVG that needs nothing else: no script, no font file, no style sheet. It can stand in a page, in a file
// of its own, and in Markdown.
//
// Values under the pointer are told by SVG titles, which browsers show by themselves.
package plot
