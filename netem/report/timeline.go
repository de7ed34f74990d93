package report

import (
	"vrnode/netem/result"
)

// A timeline shows faults above the lanes of replicas, and below them when nothing was answered.
type timeline struct {
	scale
	Faults []fault
	Bars   []bar
	Lanes  []lane
	Silent []silence
	// BandTop is where the bands of faults begin, SilentY and AxisY where the row of silences and
	// the axis are.
	BandTop, SilentY, AxisY, Height length
}

const (
	timelineTop length = 6
	lanePitch   length = 34
	axisHeight  length = 24
	silentPitch length = 30
)

func newTimeline(events []result.Event, replicas int, faults []fault, silences []silence, s scale) timeline {
	t := timeline{scale: s, Faults: faults, Lanes: lanesOf(events, replicas, faults, s), Silent: silences}
	bars, rows := barsOf(faults, s)
	t.Bars = bars
	for i := range t.Bars {
		t.Bars[i].Y += timelineTop
	}
	t.BandTop = timelineTop + barPitch*length(rows)
	lanesY := t.BandTop + timelineTop
	for i := range t.Lanes {
		t.Lanes[i].Y = lanesY + lanePitch*length(i)
	}
	t.SilentY = lanesY + lanePitch*length(len(t.Lanes)) + 2
	t.AxisY = t.SilentY + silentPitch
	t.Height = t.AxisY + axisHeight
	return t
}

// BandHeight is how far the bands go down.
func (t *timeline) BandHeight() length { return t.AxisY - t.BandTop }

// Roles are the roles that occur.
func (t *timeline) Roles() []string {
	var out []string
	for _, role := range roles {
		if t.has(role) {
			out = append(out, role)
		}
	}
	return out
}

func (t *timeline) has(role string) bool {
	for i := range t.Lanes {
		for j := range t.Lanes[i].Segments {
			if t.Lanes[i].Segments[j].Role == role {
				return true
			}
		}
	}
	return false
}
