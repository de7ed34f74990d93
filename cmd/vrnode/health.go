package main

import (
	"fmt"
	"slices"
	"strings"

	"vrnode/vr"
	"vrnode/vr/client"
	"vrnode/wire"
)

// health is what a round of probes says about the group as a whole.
type health struct {
	cluster wire.ClusterID
	// serving: a quorum is normal in one view, with its primary.
	serving bool
	// tolerable is how many of the replicas may fail now without an end of the service.
	tolerable int
	// changing: it does not serve because the view is changing, as far as one can see.
	changing bool
	// trouble says in plain words what is wrong, and advice what to do; "" if nothing is.
	trouble, advice string
}

// judge looks at the answers of all replicas of a group.
func judge(all answers, group *access) health {
	var h health
	answers := all.replicas
	normal := inView(answers, latestView(answers))
	size := len(answers)
	if len(normal) > 0 && len(normal[0].Members) > 0 {
		size = len(normal[0].Members)
	}
	quorum := size - failures(size)
	for _, a := range answers {
		if a.Known && !a.Cluster.IsZero() {
			h.cluster = a.Cluster
		}
	}
	mixed := groups(answers)
	h.serving = len(mixed) <= 1 && len(normal) >= quorum && has(normal, normal[0].Primary())
	if h.serving {
		h.tolerable = len(normal) - quorum
	}
	if len(mixed) > 1 {
		h.trouble = "these replicas are not of one group: " + strings.Join(mixed, ", ")
		h.advice = "List the replicas of one group in --peers, with their addresses."
		return h
	}
	h.explain(&all, unlisted(normal, answers), quorum, group)
	return h
}

// unavailable returns what is wrong and what to do about it, as an error, nil if the group serves.
func (h *health) unavailable() error {
	if h.serving {
		return nil
	}
	return unavailable("%s\n%s", h.trouble, h.advice)
}

// explain puts into words what keeps the group from full health.
func (h *health) explain(all *answers, unlisted []string, quorum int, group *access) {
	form := "vrnode form " + group.flags() + "\nor one with the state of a backup:\n  vrnode restore FILE " + group.flags()
	answers, denials := all.replicas, all.denials
	silent, recovering, halted := names(answers, isSilent), names(answers, isRecovering), names(answers, isHalted)
	n := len(answers)
	switch {
	case len(denials) > 0 && n-len(silent) < quorum:
		h.trouble, h.advice = refusal(denials), remedy(denials[0].Why)
	case len(silent) == n:
		h.trouble = "no replica answers"
		h.advice = "Start the replicas with vrnode serve, or check the addresses in --peers."
	case len(unlisted) > 0:
		h.trouble = list(unlisted, "is a member", "are members") + " of the group and not in --peers"
		h.advice = "List all members in --peers."
	case len(recovering) > failures(n) && h.cluster.IsZero():
		h.trouble = list(recovering, "is", "are") + " up without memory of a group: it was never formed, or it has lost its memory"
		h.advice = "What a lost group knew is gone. To begin a new one, empty, with all replicas up:\n  " + form
	case len(recovering) > failures(n):
		h.trouble = fmt.Sprintf("the group has lost its memory: %s nothing, and it survives that of %d",
			list(recovering, "remembers", "remember"), failures(n))
		h.advice = "It can not be brought back. To begin a new one, empty, start all replicas again and then:\n  " + form
	case n-len(silent) < quorum:
		h.trouble = fmt.Sprintf("%s not answer; %d of %d replicas are needed", list(silent, "does", "do"), quorum, n)
		h.advice = "Start what is down with the same command line as before, or mend the network."
	case len(halted) > 0:
		h.trouble = list(halted, "has", "have") + " halted, having found that going on would be wrong"
		h.advice = "Keep the logs, they say why; then start what has halted again."
	case !h.serving:
		h.changing = true
		h.trouble = "the group is changing its view and serves again in a moment"
		h.advice = "Try again; if this lasts, look at the logs of the replicas."
	case len(denials) > 0:
		h.trouble, h.advice = refusal(denials), remedy(denials[0].Why)
	case len(silent) > 0:
		h.trouble = list(silent, "does", "do") + " not answer"
		h.advice = "Start what is down with the same command line as before; it recovers from the others."
	case len(recovering) > 0:
		h.trouble = list(recovering, "is", "are") + " recovering"
	}
}

// groups says which replicas are members of which group, an item for each group.
func groups(answers []vr.Answer) (items []string) {
	var seen []wire.ClusterID
	for _, a := range answers {
		if !a.Known || a.Cluster.IsZero() || slices.Contains(seen, a.Cluster) {
			continue
		}
		seen = append(seen, a.Cluster)
		of := names(answers, func(b *vr.Answer) bool { return b.Known && b.Cluster == a.Cluster })
		items = append(items, list(of, "belongs", "belong")+" to "+a.Cluster.String())
	}
	return items
}

// refusal says which replicas refuse to talk to this client, and why.
func refusal(denials []client.Denial) string {
	var whys []wire.Denied
	ids := make(map[wire.Denied][]string)
	for _, d := range denials {
		if ids[d.Why] == nil {
			whys = append(whys, d.Why)
		}
		ids[d.Why] = append(ids[d.Why], d.ID.String())
	}
	var all []string
	for _, why := range whys {
		all = append(all, list(ids[why], why.String(), ": each of them "+why.String()))
	}
	return strings.Join(all, "; ")
}

// remedy says what to do about a refusal.
func remedy(why wire.Denied) string {
	switch why {
	case wire.DeniedPlain:
		return "Name the file with the group's key: --key-file."
	case wire.DeniedSealed:
		return "Leave --key-file out, or start the replicas with it."
	case wire.DeniedKey:
		return "Use the key file that the replicas use. While keys are being replaced, all need the new one before the old one goes."
	case wire.DeniedVersion:
		return "Run the same version of vrnode everywhere."
	}
	return "Check the addresses in --peers."
}

func isSilent(a *vr.Answer) bool     { return !a.Known }
func isRecovering(a *vr.Answer) bool { return a.Known && a.Status == wire.StatusRecovering }
func isHalted(a *vr.Answer) bool     { return a.Known && a.Status == wire.StatusHalted }

// names returns the replicas of whom something holds.
func names(answers []vr.Answer, holds func(*vr.Answer) bool) []string {
	var ids []string
	for i := range answers {
		if holds(&answers[i]) {
			ids = append(ids, answers[i].ID.String())
		}
	}
	return ids
}

// latestView returns the highest view in which a replica is normal.
func latestView(answers []vr.Answer) wire.ViewNumber {
	var view wire.ViewNumber
	for _, a := range answers {
		if a.Known && a.Status == wire.StatusNormal {
			view = max(view, a.View)
		}
	}
	return view
}

// inView returns the answers of the replicas that are normal in a view.
func inView(answers []vr.Answer, view wire.ViewNumber) []vr.Answer {
	var normal []vr.Answer
	for _, a := range answers {
		if a.Known && a.Status == wire.StatusNormal && a.View == view {
			normal = append(normal, a)
		}
	}
	return normal
}

// unlisted returns the members of the group that nobody has asked, if a normal replica tells who
// the members are.
func unlisted(normal, answers []vr.Answer) []string {
	var ids []string
	if len(normal) > 0 {
		for _, m := range normal[0].Members {
			if !has(answers, m.ID) {
				ids = append(ids, m.ID.String())
			}
		}
	}
	return ids
}

func has(answers []vr.Answer, id wire.Peer) bool {
	for _, a := range answers {
		if a.ID == id {
			return true
		}
	}
	return false
}

// list writes "replica 1 is" or "replicas 1 and 2 are".
func list(ids []string, singular, plural string) string {
	if len(ids) == 1 {
		return "replica " + ids[0] + " " + singular
	}
	last := len(ids) - 1
	if !strings.HasPrefix(plural, ":") {
		plural = " " + plural
	}
	return "replicas " + strings.Join(ids[:last], ", ") + " and " + ids[last] + plural
}
