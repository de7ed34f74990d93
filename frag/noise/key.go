package noise

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

const (
	// KeySize is the length of a Key in bytes.
	KeySize = 32
	// KeysMax is how many keys are valid at a time: while one replaces another, both are.
	KeysMax = 2
	// MACSize is the length of what Key.MAC returns.
	MACSize = 16
)

// A Key is the secret that the processes of a group and its clients share. It has no String
// method that would show it: what people see of a key is its ID.
type Key [KeySize]byte

// A KeyID names a key and tells nothing about it.
type KeyID uint64

func (id KeyID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// ID returns the name of the key.
func (k *Key) ID() KeyID {
	return KeyID(binary.BigEndian.Uint64(k.derive("vrnode key id")))
}

// String returns the name of the key, so that no log shows the key itself.
func (k Key) String() string { return "key " + k.ID().String() }

// GoString is for %#v.
func (k Key) GoString() string { return k.String() }

// MAC appends what proves that whoever made the message has the key.
func (k *Key) MAC(dst, message []byte) []byte {
	mac := hmac.New(sha256.New, k.derive("vrnode RESET"))
	mac.Write(message)
	return append(dst, mac.Sum(nil)[:MACSize]...)
}

// Proves tells whether mac is what MAC makes of message.
func (k *Key) Proves(mac, message []byte) bool {
	return hmac.Equal(mac, k.MAC(nil, message))
}

// derive returns 32 bytes that serve one purpose and do not tell the key.
func (k *Key) derive(purpose string) []byte {
	mac := hmac.New(sha256.New, k[:])
	mac.Write([]byte(purpose))
	return mac.Sum(nil)
}

// Text returns the key as ParseKeys reads it. Who has it has the key.
func (k *Key) Text() string { return hex.EncodeToString(k[:]) }

// What can be wrong with the text of keys. The errors show nothing of it.
var (
	ErrNoKey    = errors.New("there is no key in it")
	ErrManyKeys = fmt.Errorf("there are more than %d keys in it", KeysMax)
	ErrSameKey  = errors.New("the same key is in it twice")
)

// ParseKeys reads keys, one a line in hexadecimal. Empty lines and those that begin with # are
// skipped. The first key is the one to prefer, the other one is valid too.
func ParseKeys(text string) ([]Key, error) {
	var keys []Key
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		var k Key
		if len(line) != hex.EncodedLen(KeySize) {
			return nil, fmt.Errorf("line %d is no key: it has %d characters, not %d", number, len(line), hex.EncodedLen(KeySize))
		}
		if _, err := hex.Decode(k[:], []byte(line)); err != nil {
			return nil, fmt.Errorf("line %d is no key: it is not hexadecimal", number)
		}
		keys = append(keys, k)
	}
	return keys, Check(keys)
}

// Check returns what keeps keys from being used together, or nil.
func Check(keys []Key) error {
	switch {
	case len(keys) == 0:
		return ErrNoKey
	case len(keys) > KeysMax:
		return ErrManyKeys
	case len(keys) == 2 && keys[0] == keys[1]:
		return ErrSameKey
	}
	return nil
}
