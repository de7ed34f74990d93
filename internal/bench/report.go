package bench

// A Report is one run of the benchmark. A ratio is the group's figure divided by that of the
// two-hop floor with as many operations outstanding.
type Report struct {
	Size     int     `json:"size"`
	Duration float64 `json:"duration_s"`
	CPUs     int     `json:"cpus"`
	PingPong Figures `json:"ping_pong"`
	Rows     []Row   `json:"rows"`
}

// A Row is the group beside its floor.
type Row struct {
	Outstanding int     `json:"outstanding"`
	Group       Figures `json:"group"`
	TwoHop      Figures `json:"two_hop_floor"`
	OpsRatio    float64 `json:"ops_ratio"`
	P50Ratio    float64 `json:"p50_ratio"`
	P99Ratio    float64 `json:"p99_ratio"`
	P50PingPong float64 `json:"p50_ratio_ping_pong"`
}

// NewRow compares.
func NewRow(outstanding int, group, twoHop, pingPong Figures) Row {
	return Row{
		Outstanding: outstanding, Group: group, TwoHop: twoHop,
		OpsRatio:    ratio(group.OpsPerSecond, twoHop.OpsPerSecond),
		P50Ratio:    ratio(group.P50Micros, twoHop.P50Micros),
		P99Ratio:    ratio(group.P99Micros, twoHop.P99Micros),
		P50PingPong: ratio(group.P50Micros, pingPong.P50Micros),
	}
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
