package report

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var browser = flag.Bool("browser", false, "look at pages in Chromium")

// browse loads a page in headless Chromium and returns its document, and what Chromium says on the
// console.
func browse(t *testing.T, page string) (dom, console string) {
	t.Helper()
	if !*browser {
		t.Skip("skipped: needs -browser, since it takes half a minute: go test ./netem/report -args -browser")
	}
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("skipped: needs chromium")
	}
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir="+t.TempDir(),
		"--enable-logging=stderr", "--dump-dom", "file://"+file)
	cmd.WaitDelay = 5 * time.Second
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "CONSOLE") {
			console += line
		}
	}
	return out.String(), console
}

// TestInChromium: a browser reads a page as it was written, and has nothing to complain of.
func TestInChromium(t *testing.T) {
	all := pages(t)
	for _, name := range []string{"one", "two", "nothing", "hostile"} {
		page := all[name]
		t.Run(name, func(t *testing.T) {
			dom, console := browse(t, page)
			if console != "" {
				t.Errorf("on the console:\n%s", console)
			}
			for _, tag := range []string{"svg", "path", "text", "rect", "tr", "h2", "figure", "script", "img"} {
				if got, want := strings.Count(dom, "<"+tag), strings.Count(page, "<"+tag); got != want {
					t.Errorf("the document has %d <%s, the page %d", got, tag, want)
				}
			}
		})
	}
}

// TestChromiumComplains: a page that does what none may do is noticed.
func TestChromiumComplains(t *testing.T) {
	page := strings.Replace(written(t, calm(1).folder(t)), "<main>", `<main><img src="http://127.0.0.1:1/x" alt=""/>`, 1)
	if _, console := browse(t, page); !strings.Contains(console, "Content Security Policy") {
		t.Errorf("on the console is only %q", console)
	}
}
