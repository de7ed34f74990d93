package lab

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"vrnode/netem/scenario"
	"vrnode/vr/client"
)

// A rotation is the way of a group from one key to another one.
type rotation struct {
	old, fresh client.Key
	// given is how often each replica was given the next keys.
	given map[scenario.Site]int
}

func newRotation(old, fresh client.Key) rotation {
	return rotation{old, fresh, make(map[scenario.Site]int)}
}

// all are the keys of clients, which have to reach every replica at all times.
func (r *rotation) all() []client.Key { return []client.Key{r.old, r.fresh} }

// of returns the keys that a replica has.
func (r *rotation) of(s scenario.Site) []client.Key {
	return [...][]client.Key{{r.old}, {r.fresh, r.old}, {r.fresh}}[r.given[s]]
}

// advance gives a replica the next keys.
func (r *rotation) advance(s scenario.Site) error {
	if r.given[s] == 2 {
		return fmt.Errorf("replica %d has the new key alone already", s)
	}
	r.given[s]++
	return nil
}

// keys are a rotation by files, from which replicas read their keys. In plain mode they are nil.
type keys struct {
	rotation
	dir string
}

// newKeys makes two keys, and a file for each replica.
func newKeys(replicas int) (*keys, error) {
	dir, err := os.MkdirTemp("", "vrnode-lab-keys-")
	if err != nil {
		return nil, err
	}
	var old, fresh client.Key
	_, _ = rand.Read(old[:]) // never fails
	_, _ = rand.Read(fresh[:])
	k := &keys{newRotation(old, fresh), dir}
	for n := 1; n <= replicas; n++ {
		err = errors.Join(err, k.write(scenario.Site(n)))
	}
	if err != nil {
		return nil, errors.Join(err, k.close())
	}
	return k, nil
}

func (k *keys) all() []client.Key {
	if k == nil {
		return nil
	}
	return k.rotation.all()
}

// flags are those of a replica.
func (k *keys) flags(s scenario.Site) []string {
	if k == nil {
		return []string{"--insecure"} // the network is our own
	}
	return []string{"--key-file", k.path(s)}
}

// advance puts the next keys in the file of a replica.
func (k *keys) advance(s scenario.Site) error {
	if err := k.rotation.advance(s); err != nil {
		return err
	}
	return k.write(s)
}

func (k *keys) path(s scenario.Site) string {
	return filepath.Join(k.dir, fmt.Sprintf("replica-%d.key", s))
}

// write replaces the file of a replica at once, so that nobody reads half of one.
func (k *keys) write(s scenario.Site) error {
	var text strings.Builder
	for _, key := range k.of(s) {
		text.WriteString(key.Text() + "\n")
	}
	path := k.path(s)
	if err := os.WriteFile(path+".new", []byte(text.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// close removes the files.
func (k *keys) close() error { return os.RemoveAll(k.dir) }
