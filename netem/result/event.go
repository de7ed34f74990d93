package result

import "time"

// An Event is one line of the time line.
type Event struct {
	At   time.Duration `json:"at"`
	Kind EventKind     `json:"kind"`
	// Replica is whom it is about, 0 if it is about nobody or about several.
	Replica int `json:"replica,omitempty"`
	// Name is what a replica said (as package vr names its events), what a process did (start,
	// exit) or the kind of fault (crash, pause, partition, links, drop, heal).
	Name string `json:"name,omitempty"`
	// Text is the same for people; of a fault, what was done to whom.
	Text string `json:"text,omitempty"`
	// Status and Role are those of a replica: recovering, normal, view-change, halted or, if it
	// does not answer, unreachable; primary, backup or nothing.
	Status string `json:"status,omitempty"`
	Role   string `json:"role,omitempty"`
	View   uint64 `json:"view"`
	Op     uint64 `json:"op"`
	Commit uint64 `json:"commit"`
	// Primary is that of View, 0 if it is not known.
	Primary int `json:"primary,omitempty"`
	// RSS is the memory of the process in bytes, 0 if it is not known.
	RSS int64 `json:"rss,omitempty"`
	// Sent counts the datagrams that the process has sent to other replicas so far, and Again the
	// fragments and slot messages that it sent once more.
	Sent  uint64 `json:"sent,omitempty"`
	Again uint64 `json:"again,omitempty"`
	// Fault numbers the faults from 1: its beginning and its end have the same.
	Fault int `json:"fault,omitempty"`
	// Replicas are those that a fault is about. Links are the directions.
	Replicas []int       `json:"replicas,omitempty"`
	Links    []Direction `json:"links,omitempty"`
}

// EventKind tells what an Event is about.
type EventKind string

// The kinds of event.
const (
	Said       EventKind = "said"    // Replica said Name
	Sample     EventKind = "sample"  // how Replica was
	Process    EventKind = "process" // of Replica
	FaultBegin EventKind = "fault-begin"
	FaultEnd   EventKind = "fault-end"
)

// A Direction is one way of the link between two sites: replicas by their numbers, the clients
// after them.
type Direction struct {
	From int `json:"from"`
	To   int `json:"to"`
}
