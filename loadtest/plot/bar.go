package plot

// Bar is one value, with how far it was spread.
type Bar struct {
	Name      string
	Value     float64
	Low, High float64 // no whisker if both are 0
}

// Group is bars that stand together.
type Group struct {
	Name string
	Bars []Bar
}

// Bars is a chart of groups of bars. Bars of one name have one colour.
type Bars struct {
	Title  string
	Y      string // label of the axis
	Groups []Group
}

// SVG draws the chart.
func (b Bars) SVG() string {
	var c canvas
	var names []string
	index := map[string]int{}
	high := 0.0
	for _, g := range b.Groups {
		for _, bar := range g.Bars {
			if _, known := index[bar.Name]; !known {
				index[bar.Name] = len(names)
				names = append(names, bar.Name)
			}
			high = max(high, bar.Value, bar.High)
		}
	}
	if b.single() {
		c.frame(b.Title, nil) // each bar has its name below
	} else {
		c.frame(b.Title, names)
	}
	y := linear(0, high, Number)
	c.rows(y, b.Y)
	var ticks []tick
	each := 1 / float64(max(len(b.Groups), 1))
	for i, g := range b.Groups {
		ticks = append(ticks, tick{(float64(i) + 0.5) * each, g.Name})
		c.group(g, y, index, left+float64(i)*each*fieldWidth, each*fieldWidth)
	}
	c.columns(ticks, "")
	return c.end()
}

// single tells whether every group is one bar.
func (b Bars) single() bool {
	for _, g := range b.Groups {
		if len(g.Bars) != 1 {
			return false
		}
	}
	return true
}

// group draws a group into a part of the field.
func (c *canvas) group(g Group, y axis, index map[string]int, x, room float64) {
	const gap, widest = 0.2, 56
	wide := min(room*(1-gap)/float64(max(len(g.Bars), 1)), widest)
	x += (room - wide*float64(len(g.Bars))) / 2
	at := func(v float64) float64 { return top + (1-y.place(v))*fieldHeight }
	for i, bar := range g.Bars {
		bx, by := x+float64(i)*wide, at(bar.Value)
		c.add(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"><title>%s, %s: %s</title></rect>`, bx+1, by, wide-2,
			top+fieldHeight-by, colour(index[bar.Name]), text(bar.Name), text(g.Name), Number(bar.Value))
		label := by - 4
		if bar.Low != 0 || bar.High != 0 {
			middle := bx + wide/2
			c.add(`<path d="M%.1f %.1fV%.1f" stroke="#222" stroke-width="1.2"/>`, middle, at(bar.Low), at(bar.High))
			label = at(bar.High) - 4
		}
		c.add(`<text x="%.1f" y="%.1f" text-anchor="middle" font-size="11" fill="#222">%s</text>`, bx+wide/2, label, Number(bar.Value))
	}
}
