package node

import (
	"context"
	"log/slog"

	"vrnode/vr"
)

// observer returns the function that logs events and hands them on, nil if nobody wants them.
func observer(cfg *Config) func(Event) {
	logger, onEvent := cfg.Logger, cfg.OnEvent
	if logger == nil {
		return onEvent
	}
	logger = logger.With("replica", cfg.ID)
	return func(e Event) {
		log(logger, e)
		if onEvent != nil {
			onEvent(e)
		}
	}
}

// log writes what an operator wants to know of an event. What every op causes is not logged, and
// what a lossy network causes only at level debug.
func log(logger *slog.Logger, e Event) {
	level, text := slog.LevelInfo, ""
	view, op := slog.Uint64("view", uint64(e.View)), slog.Uint64("op", uint64(e.Op))
	primary, peer := slog.Uint64("primary", uint64(e.Peer)), slog.String("peer", e.Peer.String())
	var attrs []slog.Attr
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
		level, text = slog.LevelError, "too many replicas are without memory: the group can not come back by itself"
	case vr.EventAbdicated:
		level, text, attrs = slog.LevelWarn, "nobody answers this primary, so it falls silent", []slog.Attr{view}
	case vr.EventFetching:
		level, text, attrs = slog.LevelDebug, "fetching the log", []slog.Attr{op, peer}
	case vr.EventHalted:
		level, text, attrs = slog.LevelError, "halted, for good", []slog.Attr{slog.String("reason", e.Reason.String())}
	case vr.EventIgnored:
		level, text, attrs = slog.LevelDebug, "ignored a message", []slog.Attr{peer,
			slog.String("kind", e.Message.String()), slog.String("reason", e.Reason.String())}
	default:
		return
	}
	logger.LogAttrs(context.Background(), level, text, attrs...)
}
