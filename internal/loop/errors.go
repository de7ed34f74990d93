package loop

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"vrnode/internal/stack"
	"vrnode/vr"
)

// What can become of a command, other than a result. Packages node and client hand these on.
var (
	// ErrClosed: this end was closed.
	ErrClosed = errors.New("closed")
	// ErrOutcomeUnknown: no result has come. The command may have been executed, once, or may
	// still be, also when nobody has answered yet.
	ErrOutcomeUnknown = errors.New("it is not known whether the command was executed")
	// ErrUnavailable: the group did not serve in time. The text says why, as far as is known.
	ErrUnavailable = errors.New("the group is unavailable")
	// ErrBusy: too many commands are under way, here or in the group.
	ErrBusy = errors.New("too many commands are under way")
	// ErrWrongCluster: the group that this client belonged to is not there any more; another
	// one answers in its place.
	ErrWrongCluster = errors.New("another group answers at these addresses")
	// ErrSessionExpired: the group has closed the client's session, because others needed the
	// room, before it answered.
	ErrSessionExpired = fmt.Errorf("the session has expired: %w", ErrOutcomeUnknown)
	// ErrTooLong: the command is longer than wire.CommandMax, 64 KiB.
	ErrTooLong = errors.New("the command is too long")
)

// A failure is why a command has no result: what it means for the command, why, and what ended
// the wait.
type failure struct {
	errs []error
	text string
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Unwrap() []error { return f.errs }

// explain makes the error of a command whose context has ended. known tells whether the client
// knows the group, handed whether it has the command.
func explain(ctx context.Context, known, handed bool, why vr.Refused, denials []stack.Denial) error {
	f := &failure{errs: []error{context.Cause(ctx), ctx.Err(), ErrUnavailable}, text: ErrUnavailable.Error()}
	switch {
	case why.WrongCluster:
		f.errs = append(f.errs, ErrWrongCluster)
		f.text = ErrWrongCluster.Error()
	case why.GroupLost && known:
		f.text += ": more replicas have lost their memory than the group survives; it can not come back by itself"
	case why.GroupLost:
		f.text += ": its replicas are without memory; it was never formed, or has lost its memory and can not come back by itself"
	case why.NoMemory > 0:
		f.text += fmt.Sprintf(": %d of its replicas are without memory, recovering or never formed into a group", why.NoMemory)
	case why.Busy:
		f.errs = append(f.errs, ErrBusy)
		f.text = ErrBusy.Error()
	case len(denials) > 0:
		f.text += ": " + sentences(denials)
	default:
		f.text += ": no primary has answered"
	}
	if handed {
		f.errs = append(f.errs, ErrOutcomeUnknown)
		if known {
			f.text += "; " + ErrOutcomeUnknown.Error()
		} else {
			f.text += "; the command waits for it and may still be executed"
		}
	}
	f.text += " (" + context.Cause(ctx).Error() + ")"
	return f
}

// sentences tells who refuses to open a session, and why.
func sentences(denials []stack.Denial) string {
	all := make([]string, len(denials))
	for i, d := range denials {
		all[i] = d.String()
	}
	return strings.Join(all, "; ")
}
