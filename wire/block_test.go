package wire

import "encoding/binary"

// A blockWriter writes a block of S2 and, beside it, the message that it stands for.
type blockWriter struct {
	elements, message []byte
	offset            int // of the last copy
}

// block returns the block, which says that its message is longer than it is by that much.
func (w *blockWriter) block(longer int) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(w.message)+longer)), w.elements...)
}

func (w *blockWriter) put(tag int, little int, size int) {
	w.elements = append(w.elements, byte(tag))
	for range size {
		w.elements = append(w.elements, byte(little))
		little >>= 8
	}
}

// literal has its length in the tag if size is 0, else in so many bytes after it.
func (w *blockWriter) literal(text []byte, size int) {
	if size == 0 {
		w.put((len(text)-1)<<2, 0, 0)
	} else {
		w.put((59+size)<<2, len(text)-1, size)
	}
	w.elements = append(w.elements, text...)
	w.message = append(w.message, text...)
}

// copy has an offset of 1, 2 or 4 bytes; the first has three bits more in its tag.
func (w *blockWriter) copy(offset, length, size int) {
	switch size {
	case 1:
		w.put(offset>>8<<5|(length-4)<<2|1, offset, 1)
	case 2:
		w.put((length-1)<<2|2, offset, 2)
	case 4:
		w.put((length-1)<<2|3, offset, 4)
	}
	w.offset = offset
	w.extend(length)
}

// again copies from the same offset. It has its length in the tag if size is 0, else in so many
// bytes at the end.
func (w *blockWriter) again(length, size int) {
	if size == 0 {
		w.put((length-4)<<2|1, 0, 1)
	} else {
		w.put((4+size)<<2|1, (length-[]int{0, 8, 260, 65540}[size])<<8, 1+size)
	}
	w.extend(length)
}

func (w *blockWriter) extend(length int) {
	for range length {
		if w.offset == 0 || w.offset > len(w.message) {
			return // the block is malformed
		}
		w.message = append(w.message, w.message[len(w.message)-w.offset])
	}
}
