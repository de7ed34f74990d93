package wire

// One message of each kind: what the golden packets, the benchmarks and the fuzzer start from.

var sampleHeader = Header{
	Cluster:     ClusterID{0xc1, 0x05, 0x7e, 0x12, 4: 0xaa, 15: 0xff},
	Epoch:       1,
	View:        7,
	From:        2,
	Incarnation: 0x600d_0000_0002,
}

var (
	sampleClient = ClientPeer(0x00c1_1e47_abcd_0000, 3)
	sampleEntry  = Entry{View: 7, Kind: EntryCommand, Client: sampleClient, Session: 12, Request: 4, Acked: 2, Body: []byte("+5")}
	sampleLog    = Entries{}.Append(&Entry{View: 6, Kind: EntryRegister, Client: sampleClient}).Append(&sampleEntry)
	sampleGroup  = []Member{{1, 0x600d_0000_0001}, {2, 0x600d_0000_0002}, {3, 0x600d_0000_0003}}
)

var sampleMessages = []Message{
	&Register{},
	&Registered{Client: sampleClient, Session: 12},
	&Request{Session: 12, First: 4, Acked: 2, Commands: Commands{}.Append([]byte("+5")).Append(nil)},
	&Reply{Client: sampleClient, Session: 12, First: 4,
		Results: Results{}.Append(OutcomeDone, []byte("17")).Append(OutcomeGap, nil)},
	&Refused{Client: sampleClient, Why: RefusalNotPrimary, Primary: 1},
	&Prepare{First: 41, PrevChain: 0xfeed_f00d_0000_0028, Commit: 38, Entries: Entries{}.Append(&sampleEntry)},
	&PrepareOK{Op: 41},
	&Commit{Seq: 99, Commit: 41, CommitChain: 0xcafe_d00d_0000_0029},
	&CommitAck{Seq: 99, Op: 42},
	&StartViewChange{},
	&JoinView{},
	&DoViewChange{LastNormal: 6, Op: 42, Commit: 41, CrashVector: sampleGroup},
	&StartView{Op: 43, Commit: 41, Base: 41, BaseChain: 0xcafe_d00d_0000_0029, Entries: sampleLog},
	&GetView{},
	&ViewChangeProgress{Have: 20, Need: 43},
	&GetLog{LastNormal: 6, Has: 18, From: 21, To: 43, Logs: 4},
	&Log{LastNormal: 6, First: 42, PrevChain: 0xcafe_d00d_0000_0029, Commit: 41, Last: 57, Entries: sampleLog},
	&Form{Members: sampleGroup, Base: Base{Op: 40, Chain: 0xcafe_d00d_0000_0028, Root: Digest{0x12, 15: 0x34}}},
	&Recovery{},
	&RecoveryResponse{ForIncarnation: 0x600d_0000_0001, IsPrimary: true, Op: 43, Commit: 41,
		Members: sampleGroup, CrashVector: sampleGroup[:2]},
	&RecoveringToo{},
	&StaleIncarnation{Known: 0x600d_0000_0009},
	&Probe{Seq: 5},
	&ProbeReply{Seq: 5, Status: StatusNormal, LastNormal: 7, Op: 43, Commit: 41, Applied: 40, GroupLost: true,
		Members: sampleGroup, Peers: []PeerReport{{ID: 1, Op: 40, HeardMicros: 10_000, RTTMicros: 150, Sent: 4_000, Lost: 6, Again: 7}, {ID: 3, HeardMicros: 1<<64 - 1}},
		ClientCount: 1, Held: Digest{0x12, 15: 0x34}, LogBase: 35, Checkpoint: 40,
		Transfer: TransferReport{Phase: TransferFetching, Op: 40, Total: 70_000, Have: 65_000, Moved: 66_000, Rate: 1_000_000, LeftMillis: 5, Sources: 2}},
	&GetManifest{MinOp: 30, Op: 40, Part: 1},
	&Manifest{Op: 40, Chain: 0xcafe_d00d_0000_0028, Epoch: 1, Members: sampleGroup, Total: 70_000, Count: 2, Root: Digest{0x12, 15: 0x34}, Part: 0,
		Chunks: []Chunk{{Digest{0xaa, 15: 0x01}, 0xaa_0000_0000_0001, 65_000}, {Digest{0xbb, 15: 0x02}, 0xbb_0000_0000_0002, 5_000}}},
	&GetBlocks{Op: 40, Chunk: 1},
	&Blocks{Op: 40, Chunk: 1, Blocks: []Block{{0x0102_0304_0506_0708, 1_100}, {0xf1f2_f3f4_f5f6_f7f8, 3_900}}},
	&GetPiece{Op: 40, Chunk: 1, Runs: []Run{{0, 3}, {1_100, 2}}},
	&Piece{Op: 40, Chunk: 1, Parts: Parts{}.Append(0, []byte("abc")).Append(1_100, []byte("de"))},
	&TransferRefused{Op: 40, Chunk: NoChunk, Why: TransferPreparing, RetryMillis: 500, Prepares: 40},
	&TakeCheckpoint{MinOp: 40},
	&FetchBase{Base: Base{Op: 40, Chain: 0xcafe_d00d_0000_0028, Root: Digest{0x12, 15: 0x34}}},
}

func sample(k Kind) Message { return sampleMessages[k-1] }

func encode(m Message) []byte {
	var e Encoder
	h := sampleHeader
	return e.Append(nil, &h, m)
}
