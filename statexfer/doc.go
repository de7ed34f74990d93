// Package statexfer brings the state of one replica to another, whatever its size. It is for a
// replica that lacks ops which nobody's log has any more: one that lagged, or that lost its memory.
//
// A [Source] gives, a [Target] fetches. Both are pure machines like all others: messages come in by
// Step, time by Tick, and what they want done is in [Effects]. What takes long, or needs a file, is a
// [Job], which the runtime runs outside of the thread of the protocol.
//
// # What is moved
//
// A [Checkpoint] is what a replica knows as of an op: its client-table and its state machine, written
// to an io.Writer. All replicas take their checkpoints at the same ops, and what they write is the
// same, byte by byte and call by call of Write. Each call is a record.
//
// A [Cutter] cuts that into chunks of 128 to 256 KiB, and these into blocks of one or a few records.
// Cuts follow from content, so an insertion moves none that is far away. A chunk is what is fetched,
// checked and stored: it is named by its digest, SHA-256 cut to 16 bytes. Blocks serve one purpose, to
// find what of a chunk is in an old state; their hash is xxhash64. Clients can choose values that
// make two of these equal. All they gain is that a chunk has to come whole, because what was put
// together is believed only if it has the digest of the chunk.
//
// A chunk has a sum as well, xxhash64 of its bytes. What came whole is compared with that and not with
// the digest, which would take as long as to store it. What a sum must tell is damage, and nobody
// chooses that. Whose values have equal sums has gained nothing: which chunk is which, and what is there
// already, goes by digests, and the reader gives nothing to anybody that has not the right one. A source
// that mixes up two such chunks is not found out, but what it gave is, and all of the spool is looked at
// again.
//
// A [Manifest] lists the chunks of a checkpoint. Its root is the digest of all of it, the op, its
// chain and the members included. Two sources with the same root have the same checkpoint.
//
// # How a transfer goes
//
//	target                                       sources
//	  | GetManifest n=0 min=…                      |  to two donors
//	  |------------------------------------------->|  the first target makes a source write the
//	  |               TransferRefused preparing    |  checkpoint into a spool; ask again
//	  |<-------------------------------------------|
//	  |                Manifest n=… root, chunks   |  the first that is whole is chosen,
//	  |<-------------------------------------------|  and the other is asked for the same
//	  | GetBlocks n=… chunk=…                      |  to compare them with an old state, if
//	  |------------------------------------------->|  there is one, or later with the next one
//	  |                               Blocks       |
//	  |<-------------------------------------------|
//	  | GetPiece n=… chunk=… runs=…                |  what is not in the old state, at once if
//	  |                                            |  there is none;
//	  |------------------------------------------->|  of another chunk from each source
//	  |                               Piece        |
//	  |<-------------------------------------------|  checked, stored in the spool of the target
//	  …
//	Ready: the whole is read from the spool, and hashed on the way
//
// The target has up to 16 chunks under way with each source, fewer if answers take more than half a
// second, so that little is lost with a source that dies. Donors are used in the order of Need, which
// is backups first, and two at first: each has to write all of its state out before it gives any of it. The
// next one is asked if one of these has nothing to give, or dies. The primary, which orders all ops
// meanwhile, is in reserve: it is asked if no backup has the state. If the transfer takes longer than some
// seconds, all are asked.
//
// # What goes wrong
//
//   - A message is lost, or a source is silent: others are asked after the patience with that source,
//     which follows from how long it usually takes. It is left alone for a while, and tried again. A chunk that
//     it gives after all is taken, unless it was asked of another one meanwhile.
//   - A chunk is wrong: it is not stored, its source is left alone for longer each time, and it comes
//     from another. Wrong counts it.
//   - A source restarts: it is asked for the checkpoint again. If all have lost it, any other one is
//     chosen; chunks that are equal are found by their digests and kept.
//   - The target restarts: it finds its spool, hashes what is in it, and fetches the rest.
//   - More targets come than a source serves: it refuses them and says when to ask again.
//   - The transfer takes longer than the next checkpoint: the source keeps the one that is being
//     fetched, and the replica has what follows brought with it (vr/tail.go). If that does not succeed, and
//     the logs of the others do not go back far enough when the checkpoint is there, another one is
//     chosen (Renew). What has changed meanwhile is less than all, and only blocks that are not in the
//     first are moved, so it takes less time, and so on. The same happens if
//     that is found only after it was restored: the spool stays until the replica has caught up.
//   - A spool fails, or the restoring: the target rests, hashes its spool again, and goes on with what
//     is right in it.
//
// Sources may be slow, dead or damaged, but they do not lie: a manifest is believed if it is what its
// root says. A member that has another root at the same op has diverged, which is told as an event.
//
// # The spool
//
// A [Spool] is a file of slots of equal size, one for a chunk each. A slot whose chunk is not wanted
// any more makes room for any other, so a spool never has more slots than an old state, a new one and
// what is under way need, however often the checkpoint is replaced. Slots are longer than most chunks:
// the file has holes, and takes about as much room as the state. In memory a source has 16 bytes per
// block and some 270 per chunk, about two percent of the state; a target has as much, and 16 more per block
// of what it compares with; and both a buffer for each piece under way.
//
// # One buffer
//
// The bytes of a chunk are not copied from layer to layer: a job of the source reads them into a
// [wire.Parcel], and encodes the Piece around them; the transport sends it from there. The target keeps the
// parcel in which the transport has put the message together, and gives it another one; a job writes the
// chunk from there. Only what differs in part from an old state is put together from several.
//
// # What is kept outside
//
// A program outside the group can be a target, to make a backup, and a source, to bring it back to
// replicas that are to form a group with it. A source has one place for targets that are no replicas. The
// form of the file, and what is checked when it is read, is in file.go.
//
// # What it leaves to others
//
// Lane 3 of the transport puts pieces behind everything that commits wait for, and compresses them
// where the path is so slow that it pays, and in plain mode only. So there is no priority, rate or
// compression here. Where a state is needed, and whether what was restored is installed, is decided
// by package vr.
//
// # What the caller does
//
// It gives messages whose headers it has checked, GetManifest, GetBlocks and GetPiece to the source
// and the others to the target, and sends Messages with the replica's header; From is filled in. It
// runs each of Jobs once, off the thread of the protocol, long ones beside the others, with what lets
// others have the CPU for a moment, and calls Done in the thread of the protocol. It restores a Ready
// likewise, and calls Target.Restored with the outcome; if that is of no use, Target.Renew or Target.Drop.
// It tells the source of each checkpoint by Offer, and by Withdraw before its state is replaced, and the
// target of a need by Start, and by Stop that it is over. Both machines want a Tick at their Deadline.
//
// # Reading order
//
// cutter.go and manifest.go for what is moved; source.go; then target.go with donor.go, which chooses
// a checkpoint and whom to ask, and fetch.go, which follows one chunk; whole.go for what comes after the
// last one; archive.go and spool.go for what is stored; file.go for what is kept; limits.go for every bound.
package statexfer
