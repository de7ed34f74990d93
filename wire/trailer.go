package wire

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// TrailerSize is the length of the xxhash64 at the end of most messages of several fragments.
const TrailerSize = 8

// AppendTrailer appends its trailer to a message.
func AppendTrailer(message []byte) []byte {
	return binary.LittleEndian.AppendUint64(message, xxhash.Sum64(message))
}

// CutTrailer returns a message without its trailer, and whether that is right.
func CutTrailer(b []byte) (message []byte, ok bool) {
	message = b[:len(b)-TrailerSize]
	return message, binary.LittleEndian.Uint64(b[len(message):]) == xxhash.Sum64(message)
}
