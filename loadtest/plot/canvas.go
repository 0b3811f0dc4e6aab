package plot

import (
	"fmt"
	"html"
	"strings"
)

// The size of a chart, in its own units, and the room around its field.
const (
	width, height = 640, 300
	left, right   = 64, 28
	top, bottom   = 64, 44
	fieldWidth    = width - left - right
	fieldHeight   = height - top - bottom
)

// Colours that people with any colour vision can tell apart (Okabe and Ito).
func colour(i int) string {
	palette := []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b5b5b", "#8c6d31"}
	return palette[i%len(palette)]
}

// The width of a letter: of a title, in its font size, and of half of one in the labels. Viewers have fonts of their own, so these are on the wide side.
const (
	titleWidth  = 0.58
	letterWidth = 3.4
)

// canvas is the SVG that is being written.
type canvas struct{ strings.Builder }

func (c *canvas) add(format string, args ...any) { fmt.Fprintf(c, format+"\n", args...) }

// text escapes what goes between tags.
func text(s string) string { return html.EscapeString(s) }

// frame writes the beginning: background, title, legend. name is said to those who cannot see.
func (c *canvas) frame(title string, names []string) {
	c.add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" role="img" aria-label="%s" font-family="system-ui, sans-serif" font-size="12">`,
		width, height, width, text(title))
	c.add(`<rect width="%d" height="%d" fill="#fff"/>`, width, height)
	size := min(15, (width-left-8)/(titleWidth*float64(max(1, len([]rune(title))))))
	c.add(`<text x="%d" y="22" font-size="%.3g" font-weight="600" fill="#222">%s</text>`, left, size, text(title))
	x, last := float64(left), float64(width-right)
	for i, name := range names {
		if i > 0 && x+6.6*float64(len([]rune(name))) > last {
			c.add(`<text x="%.1f" y="43" fill="#444">…</text>`, x) // the rest is told by their points
			break
		}
		c.add(`<rect x="%.1f" y="34" width="10" height="10" rx="2" fill="%s"/><text x="%.1f" y="43" fill="#444">%s</text>`, x, colour(i), x+14, text(name))
		x += 30 + 6.6*float64(len([]rune(name)))
	}
}

// rows writes the horizontal lines of the field and their labels.
func (c *canvas) rows(a axis, label string) {
	for _, t := range a.ticks {
		y := float64(top) + (1-t.at)*fieldHeight
		c.add(`<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#e3e3e3"/><text x="%d" y="%.1f" text-anchor="end" fill="#666">%s</text>`,
			left, width-right, y, y, left-6, y+4, text(t.label))
	}
	c.add(`<text transform="rotate(-90)" x="%.1f" y="14" text-anchor="middle" fill="#666">%s</text>`, -(top + fieldHeight/2.0), text(label))
}

// columns writes the labels under the field.
func (c *canvas) columns(ticks []tick, label string) {
	crowded := false
	for i, t := range ticks {
		crowded = crowded || i > 0 && (t.at-ticks[i-1].at)*fieldWidth < letterWidth*float64(len(t.label)+len(ticks[i-1].label))
	}
	for i, t := range ticks {
		y := top + fieldHeight + 18
		if crowded && i%2 == 1 {
			y += 15
		}
		half := letterWidth * float64(len(t.label))
		x := max(half, min(left+t.at*fieldWidth, width-half)) // inside the picture
		c.add(`<text x="%.1f" y="%d" text-anchor="middle" fill="#666">%s</text>`, x, y, text(t.label))
	}
	c.add(`<text x="%.1f" y="%d" text-anchor="middle" fill="#666">%s</text>`, left+fieldWidth/2.0, height-8, text(label))
}

func (c *canvas) end() string {
	c.add(`<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="#888"/></svg>`, left, width-right, top+fieldHeight, top+fieldHeight)
	return c.String()
}
