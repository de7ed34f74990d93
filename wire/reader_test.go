package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// runReader has the second reader read vector files. It returns the last line that it says.
func runReader(t *testing.T, files ...string) (verdict, all string, err error) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("needs python3")
	}
	out, err := exec.CommandContext(t.Context(), "python3", append([]string{"testdata/reader.py"}, files...)...).CombinedOutput()
	all = string(out)
	lines := strings.Split(strings.TrimSpace(all), "\n")
	return lines[len(lines)-1], all, err
}

// TestSecondReader: a program that knows PROTOCOL.md and not this package reads every vector alike.
func TestSecondReader(t *testing.T) {
	count := 0
	for _, vectors := range vectorFiles(t) {
		count += len(vectors)
	}
	verdict, all, err := runReader(t)
	if want := fmt.Sprintf("%d of %[1]d vectors are as the page has it", count); err != nil || verdict != want {
		t.Errorf("%v, want %q:\n%s", err, want, all)
	}
}

// A vectorMap is a vector as JSON has it.
type vectorMap = map[string]any

// TestSecondReaderSeesFaults plants a fault in every vector: none may pass.
func TestSecondReaderSeesFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		plant func(v vectorMap) bool // tells whether the vector is another one now
	}{
		{"in what it says", falsify},
		{"in a bit of an accepted one", damage},
	} {
		t.Run(c.name, func(t *testing.T) {
			var files []string
			count := 0
			for name := range vectorFiles(t) {
				var vectors []vectorMap
				text, err := os.ReadFile(vectorPath(name))
				if err != nil {
					t.Fatal(err)
				}
				d := json.NewDecoder(bytes.NewReader(text))
				d.UseNumber()
				if err := d.Decode(&vectors); err != nil {
					t.Fatal(err)
				}
				vectors = slices.DeleteFunc(vectors, func(v vectorMap) bool { return !c.plant(v) })
				count += len(vectors)
				if text, err = json.Marshal(vectors); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(t.TempDir(), name+".json")
				if err := os.WriteFile(path, text, 0o600); err != nil {
					t.Fatal(err)
				}
				files = append(files, path)
			}
			verdict, all, err := runReader(t, files...)
			if want := fmt.Sprintf("0 of %d vectors are as the page has it", count); err == nil || count < 50 || verdict != want {
				t.Errorf("%v, want %q:\n%s", err, want, all)
			}
		})
	}
}

// falsify changes one value of what a vector says came of its bytes.
func falsify(v vectorMap) bool {
	switch {
	case v["refused"] != nil && v["decoded"] == nil:
		delete(v, "refused")
		v["decoded"] = vectorMap{}
	case v["incomplete"] != nil:
		delete(v, "incomplete")
		v["message"] = ""
	default:
		for _, key := range []string{"decoded", "message", "xxhash64", "chain"} {
			if v[key] != nil {
				v[key] = another(v[key])
			}
		}
	}
	return true
}

// another returns a value with its last part changed.
func another(value any) any {
	switch x := value.(type) {
	case map[string]any:
		if len(x) == 0 {
			return vectorMap{"more": 1}
		}
		last := slices.Max(slices.Collect(maps.Keys(x)))
		x[last] = another(x[last])
		return x
	case []any:
		if len(x) == 0 {
			return []any{1}
		}
		x[len(x)-1] = another(x[len(x)-1])
		return x
	case json.Number:
		return json.Number(flip(string(x)))
	case string:
		return flip(x)
	case bool:
		return !x
	}
	return "?"
}

// flip changes the last digit of a text.
func flip(s string) string {
	if s == "" {
		return "1"
	}
	b := []byte(s)
	b[len(b)-1] ^= 1
	return string(b)
}

// damage changes a bit of the bytes of a vector that is accepted.
func damage(v vectorMap) bool {
	if v["refused"] != nil || v["incomplete"] != nil {
		return false
	}
	if frames, ok := v["frames"].([]any); ok {
		frames[len(frames)-1] = damageDigits(frames[len(frames)-1].(string))
		return true
	}
	for _, key := range []string{"bytes", "entry"} {
		if text, ok := v[key].(string); ok && text != "" {
			v[key] = damageDigits(text)
			return true
		}
	}
	return false
}

// damageDigits changes a bit of the last digit that is not part of a run of zeros.
func damageDigits(text string) string {
	body, zeros, found := strings.Cut(text, "+")
	at := len(body) - 1
	digit := strings.IndexByte("0123456789abcdef", body[at]) ^ 1
	body = body[:at] + "0123456789abcdef"[digit:digit+1]
	if found {
		body += "+" + zeros
	}
	return body
}
