// Package noise is the cryptography of secure mode, pure like the rest: two processes that share a
// Key agree on secrets of their own for a session, and seal its datagrams with them.
//
// The handshake is Noise_NNpsk0_25519_AESGCM_SHA256 (noiseprotocol.org, revision 34): two
// messages, each with an ephemeral public key and a payload. Who does not have the Key can neither
// make the first message nor read it. The secrets come of the ephemeral keys as well, so a Key that
// leaks later does not open what was recorded before.
//
// Datagrams are the transport messages of Noise with explicit nonces (section 11.4): AES-256-GCM,
// the number of the datagram as the nonce and its header as associated data. Each direction has a
// key of its own, which both ends replace every RekeyEvery datagrams by Noise's REKEY.
//
// Randomness is an argument: an Entropy makes it of a seed, which must be secret and differ between
// runs.
package noise
