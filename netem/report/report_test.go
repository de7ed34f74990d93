package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"vrnode/internal/golden"
	"vrnode/netem/result"
)

// written returns the page of some runs.
func written(t testing.TB, runs ...*result.Run) string {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, runs...); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// An element is one of a page, with the text that is in it.
type element struct {
	name, class string
	attributes  []xml.Attr
	content     strings.Builder
}

func (e *element) text() string { return e.content.String() }

// elementsOf reads a page as XML, which is stricter than a browser.
func elementsOf(t testing.TB, page string) []*element {
	t.Helper()
	var all, open []*element
	d := xml.NewDecoder(strings.NewReader(page))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			line, _ := d.InputPos()
			t.Fatalf("line %d: %v\n%s", line, err, strings.Split(page, "\n")[line-1])
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := &element{name: token.Name.Local, attributes: slices.Clone(token.Attr)}
			for _, a := range token.Attr {
				if a.Name.Local == "class" {
					e.class = a.Value
				}
			}
			all, open = append(all, e), append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
			if slices.Contains(strings.Fields("td th dt dd"), token.Name.Local) {
				for _, e := range open {
					e.content.WriteString(" | ")
				}
			}
		case xml.CharData:
			for _, e := range open {
				e.content.Write(token)
			}
		}
	}
}

// outline is what a reader gets to see of a page, without where it is.
func outline(t testing.TB, page string) []byte {
	var out bytes.Buffer
	for _, e := range elementsOf(t, page) {
		switch e.name {
		case "h1", "h2", "h3", "p", "figcaption", "caption", "summary", "tr", "li", "pre", "dl":
			fmt.Fprintf(&out, "%s: %s\n", e.name, strings.Join(strings.Fields(e.text()), " "))
		case "text":
			if e.class != "" && e.class != "tick" {
				fmt.Fprintf(&out, "  %s: %s\n", e.class, e.text())
			}
		}
	}
	return out.Bytes()
}

func TestOutline(t *testing.T) {
	golden.File(t, "testdata/one.txt", outline(t, written(t, crashed(42).folder(t))))
	golden.File(t, "testdata/two.txt", outline(t, written(t, crashed(42).folder(t), calm(7).folder(t))))
}

// TestSameTwice: a page is a function of its runs.
func TestSameTwice(t *testing.T) {
	once, again := written(t, crashed(1).folder(t)), written(t, crashed(1).folder(t))
	if once != again {
		t.Error("the same run makes two pages")
	}
}

// pages are the pages that must hold whatever a page must.
func pages(t *testing.T) map[string]string {
	hostile := crashed(3).folder(t)
	poison(reflect.ValueOf(hostile).Elem())
	nothing := result.Run{}
	return map[string]string{
		"one":      written(t, crashed(42).folder(t)),
		"two":      written(t, crashed(42).folder(t), calm(7).folder(t)),
		"nothing":  written(t, &nothing),
		"half":     written(t, &nothing, calm(7).folder(t), &nothing),
		"hostile":  written(t, hostile),
		"hostiles": written(t, hostile, hostile),
		"absurd":   written(t, absurd()),
	}
}

// venom breaks out of every place of a page that does not escape it.
const venom = `</title></style></text></script>"' onload='alert(1)' --><script>alert(1)</script><img src="http://example.com/x"/>{{.}}]]>&#0;` + "\x00\x1b\u202e"

// poison puts venom behind every text of a run that is not a word of package result.
func poison(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if e, is := v.Interface().(result.Event); is && name == "Name" && e.Kind != result.FaultBegin {
				continue // by it a page knows what to show
			}
			if v.Field(i).CanSet() {
				poison(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			poison(v.Index(i))
		}
	case reflect.String:
		if v.Type() == reflect.TypeFor[string]() || v.Type() == reflect.TypeFor[result.Outcome]() {
			v.SetString(v.String() + venom)
		}
	}
}

// absurd has more of everything than there is room for, and times that can not be.
func absurd() *result.Run {
	r := &result.Run{}
	r.Manifest.Replicas, r.Manifest.Clients = 1000, -1
	r.Verdict.Figures.Acknowledged = -123456
	for i := range 3000 {
		at := time.Duration(i) * time.Second
		replica := i%40 - 2
		r.Events = append(r.Events,
			result.Event{At: at, Kind: result.FaultBegin, Fault: i, Name: "crash", Replicas: []int{replica}},
			result.Event{At: -at, Kind: result.FaultEnd, Fault: i},
			result.Event{At: at, Kind: result.Said, Replica: replica, Name: "suspected", View: uint64(i)},
			result.Event{At: at, Kind: result.Said, Replica: replica, Name: "view-change-started", View: uint64(i / 50)},
			result.Event{At: at, Kind: result.Said, Replica: replica, Name: "view-started", View: uint64(i / 50), Primary: replica},
			result.Event{At: at, Kind: result.Said, Replica: replica, Name: "ignored", Text: "ignored Prepare from 18446744073709551616: x"},
		)
		r.History = append(r.History, result.Call{Invoke: at, Return: -at, End: result.Answered}, result.Call{Invoke: -at, Return: at * 1e6})
		r.Links = append(r.Links, result.Link{
			Direction: result.Direction{From: -i, To: i}, Begin: at, End: -at, Offered: 1 << 63,
			Loss: result.Figure{Requested: -1, Achieved: 1e300}, Lost: map[string]uint64{"no such reason": 1 << 63},
		})
	}
	return r
}

func TestWellFormed(t *testing.T) {
	for name, page := range pages(t) {
		t.Run(name, func(t *testing.T) {
			if !strings.HasPrefix(page, "<!DOCTYPE html>") {
				t.Error("no doctype")
			}
			for _, absent := range []string{"NaN", "Inf", "%!", "ZgotmplZ", "<no value>", "FE01", "FE02"} {
				if strings.Contains(page, absent) {
					t.Errorf("the page has %q", absent)
				}
			}
			if elements := elementsOf(t, page); len(elements) < 50 || len(page) > 4<<20 {
				t.Errorf("%d elements in %d bytes", len(elements), len(page))
			}
		})
	}
}

// TestNothingExternal: a page does not lead a browser anywhere, and nothing in it can be run.
func TestNothingExternal(t *testing.T) {
	for name, page := range pages(t) {
		t.Run(name, func(t *testing.T) {
			for _, e := range elementsOf(t, page) {
				if slices.Contains(strings.Fields("script link img image iframe object embed a base form use foreignObject"), e.name) {
					t.Errorf("the page has a <%s>", e.name)
				}
				for _, a := range e.attributes {
					if slices.Contains(strings.Fields("src href action data srcset"), a.Name.Local) || strings.HasPrefix(a.Name.Local, "on") {
						t.Errorf("<%s> has %s=%q", e.name, a.Name.Local, a.Value)
					}
					if _, to, is := strings.Cut(a.Value, "url("); is && to[0] != '#' {
						t.Errorf("<%s> has %s=%q", e.name, a.Name.Local, a.Value)
					}
				}
				if e.name == "style" && strings.Contains(strings.ReplaceAll(e.text(), "url(#", ""), "url(") {
					t.Error("the style leads elsewhere")
				}
			}
		})
	}
}

// TestEveryTextIsShown: escaping loses nothing; what a run says is there to be read.
func TestEveryTextIsShown(t *testing.T) {
	r := crashed(3).folder(t)
	poison(reflect.ValueOf(r).Elem())
	visible := ""
	for _, e := range elementsOf(t, written(t, r)) {
		if e.name == "body" {
			visible = e.text()
		}
	}
	for what, text := range map[string]string{
		"a segment": "primary of view 0 from", "hypothesis": r.Manifest.Hypothesis, "reproduce": r.Manifest.Reproduce, "found": r.Verdict.Checks[0].Found,
		"requested": r.Links[0].Requested, "system": r.Manifest.System, "name": r.Manifest.Name,
	} {
		text, _, _ = strings.Cut(text, "&#0;") // no document may hold the characters behind it
		if !strings.Contains(visible, text) {
			t.Errorf("%s %q is not on the page", what, text)
		}
	}
}

// TestBounds: what is left out is said.
func TestBounds(t *testing.T) {
	text := string(outline(t, written(t, absurd())))
	for _, want := range []string{"more are in events.jsonl", "more rows are in links.json"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if err := Write(io.Discard); err == nil {
		t.Error("a report on nothing is written")
	}
	if err := Write(io.Discard, make([]*result.Run, runsMax+1)...); err == nil {
		t.Error("a report on too many runs is written")
	}
}
