package client

import (
	"context"
	"errors"
	"io"
	"time"

	"vrnode/internal/loop"
	"vrnode/statexfer"
	"vrnode/wire"
)

// A Transfer says how a backup is made or restored: for how long nothing may come or go before it is
// given up, and whom to tell how far it is.
type Transfer = loop.Transfer

// A Kept is what a backup has.
type Kept struct {
	Cluster wire.ClusterID // the group that the state is of
	Op      wire.OpNumber  // the last op in it
	Made    time.Time
	State   uint64 // bytes of the state
	Size    int64  // bytes of the backup
}

// Why a backup is refused, for errors.Is.
var (
	ErrBackupForeign = statexfer.ErrFileForeign
	ErrBackupVersion = statexfer.ErrFileVersion
	ErrBackupCut     = statexfer.ErrFileCut
	ErrBackupDamaged = statexfer.ErrFileDamaged
)

// IsRefused tells whether an error is about a backup itself.
func IsRefused(err error) bool {
	return errors.Is(err, ErrBackupForeign) || errors.Is(err, ErrBackupVersion) || errors.Is(err, ErrBackupCut) || errors.Is(err, ErrBackupDamaged)
}

// Backup writes the state of the group to w, in the form that statexfer describes. Whatever was
// acknowledged before the call is in it. It comes from backups, from the primary only if there are none. The
// group goes on meanwhile.
func (c *Client) Backup(ctx context.Context, t Transfer, w io.Writer) (kept Kept, err error) {
	err = c.loop.Backup(ctx, t, func(cluster wire.ClusterID, state *statexfer.Ready) error {
		head := statexfer.FileHead{Cluster: cluster, Op: state.Op, Chain: state.Chain, Made: uint64(time.Now().UnixMilli())}
		kept = Kept{Cluster: cluster, Op: head.Op, Made: made(head), State: state.Size}
		kept.Size, err = statexfer.WriteFile(writer{ctx, w}, head, state.State)
		return err
	})
	return kept, wrap(err)
}

func made(h statexfer.FileHead) time.Time { return time.UnixMilli(int64(h.Made)).UTC() }

// A writer ends with its context.
type writer struct {
	ctx context.Context
	w   io.Writer
}

func (w writer) Write(b []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	return w.w.Write(b)
}

// CheckBackup reads a backup to its end, and tells what it has or what is wrong with it.
func CheckBackup(r io.Reader) (Kept, error) {
	f, err := statexfer.OpenFile(r)
	if err != nil {
		return Kept{}, wrap(err)
	}
	size, err := f.WriteTo(io.Discard)
	return keptIn(f, uint64(size)), wrap(err)
}

func keptIn(f *statexfer.FileReader, state uint64) Kept {
	return Kept{Cluster: f.Head.Cluster, Op: f.Head.Op, Made: made(f.Head), State: state, Size: f.Size()}
}

// Restore makes a new group of all replicas in Config.Peers, which must be up and without memory, that
// begins with the state of a backup. They are told nothing before all of it has been read and checked,
// and are a group only when all of them hold it: if that is interrupted, it can be done again, by another
// client. Sessions of the earlier group are over, its clients have to begin anew.
func (c *Client) Restore(ctx context.Context, t Transfer, r io.Reader) (cluster wire.ClusterID, kept Kept, err error) {
	f, err := statexfer.OpenFile(r)
	if err != nil {
		return cluster, kept, wrap(err)
	}
	cluster, err = c.loop.Restore(ctx, t, statexfer.Checkpoint{Op: f.Head.Op, Chain: f.Head.Chain, State: f})
	if err != nil { // a worker may still be reading
		return cluster, kept, wrap(err)
	}
	return cluster, keptIn(f, f.State()), nil
}
