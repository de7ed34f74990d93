package report

import (
	"vrnode/netem/result"
)

// A timeline shows faults above the lanes of replicas, and below them when nothing was answered.
type timeline struct {
	scale
	Bars   []bar
	Lanes  []lane
	Silent []silence
	// LanesY is where the lanes begin, SilentY and AxisY where the row of silences and the axis are.
	LanesY, SilentY, AxisY, Height length
}

const (
	lanePitch   length = 34
	laneHeight  length = 22
	axisHeight  length = 24
	silentPitch length = 30
)

func newTimeline(r *result.Run, faults []fault, silences []silence, s scale) timeline {
	t := timeline{scale: s, Lanes: lanesOf(r, faults, s), Silent: silences}
	bars, rows := barsOf(faults, s)
	t.Bars = bars
	t.LanesY = 6
	if rows > 0 {
		t.LanesY += barPitch*length(rows) + 8
	}
	for i := range t.Bars {
		t.Bars[i].Y += 6
	}
	for i := range t.Lanes {
		t.Lanes[i].Y = t.LanesY + lanePitch*length(i)
	}
	t.SilentY = t.LanesY + lanePitch*length(len(t.Lanes)) + 2
	t.AxisY = t.SilentY + silentPitch
	t.Height = t.AxisY + axisHeight
	return t
}

// LegendRoles are the roles that occur.
func (t *timeline) LegendRoles() []string {
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
