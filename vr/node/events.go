package node

import (
	"context"
	"log/slog"
	"time"

	"vrnode/internal/loop"
	"vrnode/statexfer"
	"vrnode/vr"
)

// observer returns the function that logs events and hands them on, nil if nobody wants them.
func observer(cfg *Config) func(Event) {
	logger, onEvent := cfg.Logger, cfg.OnEvent
	if logger == nil {
		return onEvent
	}
	l := journal{log: logger.With("replica", cfg.ID)}
	return func(e Event) {
		l.write(e)
		if onEvent != nil {
			onEvent(e)
		}
	}
}

// A journal writes the events of one run to a log.
type journal struct {
	log *slog.Logger
	// member: this run has belonged to a group.
	member bool
}

// write logs what an operator wants to know of an event. What a lossy network causes is logged at
// level debug only.
func (j *journal) write(e Event) {
	level, text := slog.LevelInfo, ""
	view, op := slog.Uint64("view", uint64(e.View)), slog.Uint64("op", uint64(e.Op))
	primary, peer := slog.Uint64("primary", uint64(e.Peer)), slog.String("peer", e.Peer.String())
	var attrs []slog.Attr
	j.member = j.member || e.Kind == vr.EventViewStarted || e.Kind == vr.EventRecovered
	switch e.Kind {
	case vr.EventFormed:
		text = "the group is formed"
	case vr.EventSuspected:
		level, text, attrs = slog.LevelWarn, "the primary is silent", []slog.Attr{view, primary}
	case vr.EventViewChangeStarted:
		text, attrs = "a view change has begun", []slog.Attr{view, primary}
	case vr.EventViewStarted:
		text, attrs = "the view has started", []slog.Attr{view, primary, op}
	case vr.EventRecovering:
		text = "without memory, asking the others"
	case vr.EventRecovered:
		text, attrs = "the memory is back", []slog.Attr{view, op}
	case vr.EventPeerRestarted:
		level, text, attrs = slog.LevelWarn, "another replica has lost its memory and come back", []slog.Attr{peer}
	case vr.EventGroupLost:
		level, text = slog.LevelError, "the group has lost its memory: too many replicas are without it, and it can not come back by itself"
		if !j.member {
			level, text = slog.LevelWarn, "too many replicas are without memory: the group was never formed, or can not come back by itself"
		}
	case vr.EventAbdicated:
		level, text, attrs = slog.LevelWarn, "nobody answers this primary, so it falls silent", []slog.Attr{view}
	case vr.EventFetching:
		level, text, attrs = slog.LevelDebug, "fetching the log", []slog.Attr{op, peer}
	case vr.EventNeedsState:
		text, attrs = "lacks more than the others have kept, and needs their state", []slog.Attr{op}
	case vr.EventStateInstalled:
		text, attrs = "has the state of the others", []slog.Attr{op}
	case vr.EventNeedsBase:
		text, attrs = "is to hold the state of a backup for a new group", []slog.Attr{op, peer}
	case vr.EventHolds:
		text, attrs = "holds the state of the backup", []slog.Attr{op}
	case vr.EventUnread:
		level, text, attrs = slog.LevelError, "could not read the state that its new group begins with; if vrnode restore is over, start this replica again: then it gets the state from the others", []slog.Attr{op}
	case vr.EventHalted:
		level, text, attrs = slog.LevelError, "halted, for good", []slog.Attr{slog.String("reason", e.Reason.String())}
	case vr.EventIgnored:
		level, text, attrs = slog.LevelDebug, "ignored a message", []slog.Attr{peer,
			slog.String("kind", e.Message.String()), slog.String("reason", e.Reason.String())}
	default:
		return
	}
	j.log.LogAttrs(context.Background(), level, text, attrs...)
}

// pauseLong is what a checkpoint may take before it is worth a warning: half of the silence after which
// the others suspect a primary.
const pauseLong = 50 * time.Millisecond

// pauseObserver returns the function that logs what checkpoints take, nil if nobody wants to know.
func pauseObserver(cfg *Config) func(loop.Pause) {
	if cfg.Logger == nil {
		return nil
	}
	log := cfg.Logger.With("replica", cfg.ID)
	return func(p loop.Pause) {
		level, text := slog.LevelDebug, "took a checkpoint"
		if p.Took > pauseLong {
			level, text = slog.LevelWarn, "took a checkpoint, and nobody was heard meanwhile: Snapshot must return at once, or the machine is very busy"
		}
		log.LogAttrs(context.Background(), level, text,
			slog.Uint64("op", uint64(p.Op)), slog.Time("began", p.Began), slog.Duration("pause", p.Took), slog.Duration("worked", p.Worked))
	}
}

// transferObserver returns the function that logs what becomes of states on their way, nil if nobody
// wants to know.
func transferObserver(cfg *Config) func(statexfer.Event) {
	if cfg.Logger == nil {
		return nil
	}
	log := cfg.Logger.With("replica", cfg.ID)
	return func(e statexfer.Event) {
		if level, text, attrs := describe(e); text != "" {
			log.LogAttrs(context.Background(), level, text, attrs...)
		}
	}
}

// describe puts into words what an operator wants to know of a transfer.
func describe(e statexfer.Event) (level slog.Level, text string, attrs []slog.Attr) {
	op, peer := slog.Uint64("op", uint64(e.Op)), slog.String("peer", e.Peer.String())
	switch e.Kind {
	case statexfer.EventServing:
		text = "gives its state to another replica"
		if e.Peer.IsClient() {
			text = "gives its state to a backup"
		}
		return slog.LevelInfo, text, []slog.Attr{op, peer}
	case statexfer.EventChosen:
		return slog.LevelInfo, "fetching a state", []slog.Attr{op, peer}
	case statexfer.EventReplaced:
		return slog.LevelInfo, "fetching a newer state, what is equal stays", []slog.Attr{op, peer}
	case statexfer.EventProgress:
		return slog.LevelInfo, "fetching a state", []slog.Attr{op, slog.Int("percent", e.Percent), slog.Uint64("bytes", e.Total), slog.Uint64("moved", e.Moved)}
	case statexfer.EventWhole:
		return slog.LevelInfo, "has all of a state, and reads it", []slog.Attr{op, slog.Uint64("bytes", e.Total), slog.Uint64("moved", e.Moved)}
	case statexfer.EventTail:
		return slog.LevelInfo, "has read a state, and executes what the others have executed since", []slog.Attr{op, slog.Uint64("bytes", e.Total)}
	case statexfer.EventOutrun:
		return slog.LevelWarn, "has all of a state, but not all that the others have executed since, and their logs do not go back to it any more: fetches what has changed since; a larger log memory keeps more", []slog.Attr{op}
	case statexfer.EventSilent:
		return slog.LevelDebug, "does not send the state that it was asked for", []slog.Attr{op, peer}
	case statexfer.EventWrong:
		return slog.LevelWarn, "sent a piece of a state that is damaged; it will come from another", []slog.Attr{op, peer}
	case statexfer.EventDifferentRoot:
		return slog.LevelError, "has another state at an op than the others", []slog.Attr{op, peer}
	case statexfer.EventFailed:
		return slog.LevelError, "moving a state failed, and will be tried again", []slog.Attr{op, slog.String("error", e.Err.Error())}
	}
	return 0, "", nil
}
