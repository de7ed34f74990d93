package report

import (
	"fmt"
	"html/template"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// An ink is a colour of the style sheet, which differs between light and dark. The plot library
// draws with colours that nothing else has, and themed puts the names of the style in their place.
type ink uint8

// The inks of plots.
const (
	inkText ink = iota
	inkGrid
	inkBlue
	inkGreen
	inkOrange
	inkRed
	inkPurple
	inkSky
)

var inkNames = [...]string{
	inkText: "muted", inkGrid: "grid", inkBlue: "blue", inkGreen: "green",
	inkOrange: "orange", inkRed: "red", inkPurple: "purple", inkSky: "sky",
}

func (i ink) String() string { return inkNames[i] }

// RGBA makes an ink a color.Color.
func (i ink) RGBA() (r, g, b, a uint32) { return color.RGBA{0xfe, 0x01, uint8(i), 0xff}.RGBA() }

// themed turns what the plot library wrote into a part of the page's figures.
func themed(svg string) template.HTML {
	replace := []string{"font-family:Liberation Sans;font-variant:normal;font-weight:normal;font-style:normal;", ""}
	for i := range inkNames {
		replace = append(replace,
			fmt.Sprintf("#FE01%02X", i), "var(--"+inkNames[i]+")",
			fmt.Sprintf("#FE02%02X", i), "var(--"+inkNames[i]+");fill-opacity:0.22")
	}
	_, svg, _ = strings.Cut(svg, "xlink\">")
	svg = strings.TrimSuffix(strings.TrimSpace(svg), "</svg>")
	return template.HTML(strings.NewReplacer(replace...).Replace(svg))
}

// A dash is a pattern, so that lines can be told apart without colours.
type dash uint8

// The dashes.
const (
	solid dash = iota
	dashed
	dotted
)

var dashPatterns = [...][]vg.Length{solid: nil, dashed: {6, 3}, dotted: {1.5, 2.5}}

// Dasharray is the pattern for the style of the legend.
func (d dash) Dasharray() string { return [...]string{"none", "6 3", "1.5 2.5"}[d] }

// The heights of plots: of the canvas, and of what is above and below the axes.
const (
	plotHeight length = 150
	plotTop    length = 12
	plotBottom length = 24
)

// newPlot returns a plot on the time axis of the page. The axis itself is drawn by the template,
// with those of the other figures.
func newPlot(s scale, low, high float64) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	p.X.Min, p.X.Max = 0, s.span.Seconds()
	p.X.Padding, p.Y.Padding = 0, 0
	p.HideX()
	p.Y.Min, p.Y.Max = low, high
	p.Y.LineStyle.Width = 0
	p.Y.Tick.LineStyle.Width = 0
	p.Y.Tick.Length = vg.Points(4)
	p.Y.Tick.Label.Color = inkText
	p.Y.Tick.Label.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 11}
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	grid.Horizontal = draw.LineStyle{Color: inkGrid, Width: vg.Points(0.75)}
	p.Add(grid)
	return p
}

// linear gives a plot marks at easy numbers from zero up.
func linear(p *plot.Plot, name func(float64) string) {
	step := niceStep(p.Y.Max / 4)
	var ticks plot.ConstantTicks
	for i := 0; float64(i)*step <= p.Y.Max*(1+1e-9); i++ {
		ticks = append(ticks, plot.Tick{Value: float64(i) * step, Label: name(round(float64(i) * step))})
	}
	p.Y.Tick.Marker = ticks
}

// logarithmic gives a plot marks at powers of ten of seconds.
func logarithmic(p *plot.Plot) {
	p.Y.Scale = plot.LogScale{}
	var ticks plot.ConstantTicks
	for power := math.Floor(math.Log10(p.Y.Min)); power <= math.Log10(p.Y.Max)+1e-9; power++ {
		if x := math.Pow(10, power); x >= p.Y.Min*(1-1e-9) {
			ticks = append(ticks, plot.Tick{Value: x, Label: bare(time.Duration(x * float64(time.Second)))})
		}
	}
	p.Y.Tick.Marker = ticks
}

// wholeOrShort names a mark of a linear axis.
func wholeOrShort(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// A point is one of a line; a line is cut where points are missing.
type point struct {
	at    time.Duration
	value float64
}

// addLine adds a line that is cut wherever two points are further apart than gap.
func addLine(p *plot.Plot, points []point, gap time.Duration, color ink, pattern dash) {
	begin := 0
	for i := 1; i <= len(points); i++ {
		if i < len(points) && points[i].at-points[i-1].at <= gap {
			continue
		}
		addPiece(p, points[begin:i], gap, color, pattern)
		begin = i
	}
}

// addPiece adds a line without cuts. One of a single point is as long as a bucket, to be seen.
func addPiece(p *plot.Plot, points []point, gap time.Duration, color ink, pattern dash) {
	if len(points) == 1 {
		a, b := points[0], points[0]
		a.at, b.at = a.at-gap/3, b.at+gap/3
		points = []point{a, b}
	}
	line := must(plotter.NewLine(pairs(points)))
	line.Color = color
	line.Width = vg.Points(1.6)
	line.Dashes = dashPatterns[pattern]
	p.Add(line)
}

// addSteps adds what stays the same between points as an area above floor, which has the same
// times.
func addSteps(p *plot.Plot, points, floor []point, color ink) {
	edge := steps(points)
	below := steps(floor)
	slices.Reverse(below)
	area, err := plotter.NewPolygon(append(edge[:len(edge):len(edge)], below...))
	if err != nil {
		panic(err)
	}
	area.Color = faint(color)
	area.LineStyle.Width = 0
	line := must(plotter.NewLine(edge))
	line.Color = color
	line.Width = vg.Points(1.2)
	p.Add(area, line)
}

// addLayer adds the areas of a layer, where it has any thickness.
func addLayer(p *plot.Plot, points, floor []point, color ink) {
	begin := 0
	for i := range points {
		if points[i].value > floor[i].value {
			continue
		}
		if i > begin {
			top, bottom := slices.Clone(points[begin:i+1]), slices.Clone(floor[begin:i+1])
			top[i-begin].value, bottom[i-begin].value = top[i-begin-1].value, bottom[i-begin-1].value
			addSteps(p, top, bottom, color)
		}
		begin = i + 1
	}
}

// steps adds the corners between points.
func steps(points []point) plotter.XYs {
	var out plotter.XYs
	for i, p := range points {
		if i > 0 {
			out = append(out, plotter.XY{X: p.at.Seconds(), Y: points[i-1].value})
		}
		out = append(out, plotter.XY{X: p.at.Seconds(), Y: p.value})
	}
	return out
}

// faint is an ink that lets through what is below.
type faint ink

// RGBA makes a faint ink a color.Color.
func (f faint) RGBA() (r, g, b, a uint32) {
	return color.RGBA{0xfe, 0x02, uint8(f), 0xff}.RGBA()
}

func pairs(points []point) plotter.XYs {
	out := make(plotter.XYs, len(points))
	for i, p := range points {
		out[i].X, out[i].Y = p.at.Seconds(), p.value
	}
	return out
}

// must unpacks a plotter. The library refuses only data that is empty or not finite, and there is
// none of that here.
func must(line *plotter.Line, err error) *plotter.Line {
	if err != nil {
		panic(err)
	}
	return line
}

// render draws a plot so that its axes are where the margins of the page say.
func render(p *plot.Plot, s scale) template.HTML {
	c := vgsvg.New(vg.Length(s.Width), vg.Length(plotHeight))
	area := draw.New(c)
	// What the library needs for its labels depends on the area that it gets.
	for range 3 {
		got := p.DataCanvas(area)
		area.Min.X += vg.Length(s.Left()) - got.Min.X
		area.Max.X += vg.Length(s.Right()) - got.Max.X
		area.Min.Y += vg.Length(plotBottom) - got.Min.Y
		area.Max.Y += vg.Length(plotHeight-plotTop) - got.Max.Y
	}
	p.Draw(area)
	var text strings.Builder
	if _, err := c.WriteTo(&text); err != nil {
		panic(err) // a strings.Builder takes everything
	}
	return themed(text.String())
}
