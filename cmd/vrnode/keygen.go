package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"vrnode/frag/noise"
)

func newKeygen() *cobra.Command {
	return &cobra.Command{
		Use:   "keygen [FILE]",
		Short: "Make a key for a group",
		Long: `keygen makes a key for --key-file and writes it to FILE, which must not be there yet and which only
its owner can read, or else to standard output. Bring it to all replicas and clients of the group by
a way that you trust. Who has the key can do everything with the group; who does not have it can
neither read nor forge what replicas and clients say.

A key file holds a key, 64 hexadecimal digits on a line of its own, or two: the first one is tried
first, the other one is valid too. To replace the key of a group that is running:

  1. Make a new key and put it above the old one:
       vrnode keygen new.key
       (umask 077; cat new.key group.key > both.key)
  2. Replace group.key by both.key on all replicas, and have each read it: kill -HUP PID.
  3. Replace group.key by both.key or new.key where clients are.
  4. Replace group.key by new.key on all replicas, and have each read it. The old key is worth
     nothing from now on.`,
		Example: `  vrnode keygen group.key
  vrnode serve --id 1 --peers … --key-file group.key`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("%s takes one FILE, or none", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var k noise.Key
			_, _ = rand.Read(k[:]) // never fails
			text := fmt.Sprintf("# %v of a vrnode group: a secret\n%s\n", k, k.Text())
			if len(args) == 0 {
				_, err := fmt.Fprint(cmd.OutOrStdout(), text)
				return err
			}
			if err := writeNew(args[0], text); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%v is in %s\n", k, args[0])
			return nil
		},
	}
}

// writeNew writes a file that is not there yet, for its owner alone.
func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already, and a key that is lost can not be made again: choose another name", path)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
