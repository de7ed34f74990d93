package main

import (
	"strings"
	"testing"

	"vrnode/vr"
	"vrnode/wire"
)

// answersFrom makes answers from words such as "normal/2": the status, and the view.
func answersFrom(words string) []vr.Answer {
	statuses := map[string]wire.Status{
		"normal": wire.StatusNormal, "recovering": wire.StatusRecovering,
		"view-change": wire.StatusViewChange, "halted": wire.StatusHalted,
	}
	var answers []vr.Answer
	var members []wire.Member
	for i, word := range strings.Fields(words) {
		status, view, _ := strings.Cut(word, "/")
		a := vr.Answer{ID: wire.Peer(i + 1)}
		a.Status, a.Known = statuses[status]
		if a.Known && a.Status != wire.StatusRecovering {
			a.Cluster = wire.ClusterID{7}
		}
		if view != "" {
			a.View = wire.ViewNumber(view[0] - '0')
		}
		answers = append(answers, a)
		members = append(members, wire.Member{ID: a.ID})
	}
	for i := range answers {
		if answers[i].Status == wire.StatusNormal {
			answers[i].Members = members
		}
	}
	return answers
}

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		words     string
		serving   bool
		tolerable int
		trouble   string
	}{
		{"normal/0 normal/0 normal/0", true, 1, ""},
		{"normal/0", true, 0, ""},
		{"normal/0 normal/0 normal/0 normal/0", true, 1, ""},
		{"normal/4 normal/4 normal/4 normal/4 normal/4", true, 2, ""},
		{"silent normal/1 normal/1", true, 0, "replica 1 does not answer"},
		{"recovering normal/1 normal/1", true, 0, "replica 1 is recovering"},
		{"normal/0 normal/1 normal/1", true, 0, ""},
		{"silent normal/0 normal/0", false, 0, "changing its view"},
		{"normal/0 view-change/1 view-change/1", false, 0, "changing its view"},
		{"silent silent normal/1", false, 0, "replicas 1 and 2 do not answer; 2 of 3 replicas are needed"},
		{"silent silent silent", false, 0, "no replica answers"},
		{"recovering recovering recovering", false, 0, "never formed, or it has lost its memory"},
		{"recovering recovering normal/0", false, 0, "replicas 1 and 2 remember nothing, and it survives that of 1"},
		{"recovering recovering silent", false, 0, "replicas 1 and 2 are up without memory"},
		{"silent silent recovering", false, 0, "replicas 1 and 2 do not answer"},
		{"halted normal/0 normal/0", false, 0, "replica 1 has halted"},
		{"normal/0 normal/0 halted", true, 0, "replica 3 has halted"},
		{"recovering", false, 0, "never formed, or it has lost its memory"},
	} {
		h := judge(answers{replicas: answersFrom(test.words)}, &access{peers: peers{1: "a:1"}})
		if h.serving != test.serving || h.tolerable != test.tolerable {
			t.Errorf("%s: got %+v", test.words, h)
		}
		if !strings.Contains(h.trouble, test.trouble) || (h.trouble == "") != (test.trouble == "") {
			t.Errorf("%s: got the trouble %q, want %q", test.words, h.trouble, test.trouble)
		}
	}
}

// TestJudgeMixed: replicas of two groups are not counted together.
func TestJudgeMixed(t *testing.T) {
	all := answersFrom("normal/0 normal/0 normal/0")
	all[1].Cluster = wire.ClusterID{8}
	h := judge(answers{replicas: all}, &access{peers: peers{1: "a:1"}})
	want := "these replicas are not of one group: replicas 1 and 3 belong to 07000000000000000000000000000000, replica 2 belongs to 08"
	if h.serving || h.tolerable != 0 || !strings.HasPrefix(h.trouble, want) {
		t.Errorf("%+v", h)
	}
}

// TestJudgeUnlisted: a group is not judged by a part of it as if that were the whole.
func TestJudgeUnlisted(t *testing.T) {
	all := answersFrom("normal/0 normal/0 normal/0")
	for _, test := range []struct {
		listed  []vr.Answer
		serving bool
		trouble string
	}{
		{all[:2], true, "replica 3 is a member of the group and not in --peers"},
		{all[:1], false, "replicas 2 and 3 are members of the group"},
		{all[1:2], false, "replicas 1 and 3 are members of the group"},
	} {
		h := judge(answers{replicas: test.listed}, &access{peers: peers{1: "a:1"}})
		if h.serving != test.serving || h.tolerable != 0 || !strings.HasPrefix(h.trouble, test.trouble) {
			t.Errorf("%d listed: %+v", len(test.listed), h)
		}
	}
	// Neither do more replicas than the group has make it any safer.
	more := append(all, vr.Answer{ID: 4}, vr.Answer{ID: 5})
	if h := judge(answers{replicas: more}, &access{peers: peers{1: "a:1"}}); !h.serving || h.tolerable != 1 {
		t.Errorf("5 listed: %+v", h)
	}
}
