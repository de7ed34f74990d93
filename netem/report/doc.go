// Package report turns the folders of package result into one HTML page to read, mail and print.
// The page has its style and figures in it, no script, and asks the network for nothing. It shows
// one run, or several beside each other on the same scales.
//
//	Write          what a page consists of            report.go, page.html, style.css
//	  summary      verdict, figures, comparison       summary.go
//	  timeline     faults, roles and views            timeline.go, lanes.go, faults.go
//	  charts       throughput, latency, loss          charts.go, series.go, plots.go
//	  links        requested and achieved             links.go
//	  sequences    view changes, event by event       sequence.go, causes.go
//
// What is drawn is bounded. Links and view changes that are left out are counted.
package report
