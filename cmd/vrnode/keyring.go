package main

import (
	"github.com/spf13/cobra"

	"vrnode/frag/noise"
)

// A keyring is what --key-file and --insecure say.
type keyring struct {
	file     string
	insecure bool
	keys     []noise.Key // in the file, after check
}

// addTo gives a command the flags. what the file holds is for their help.
func (k *keyring) addTo(cmd *cobra.Command, what string) {
	cmd.Flags().StringVar(&k.file, "key-file", "", "file with "+what+", as vrnode keygen writes it")
	cmd.Flags().BoolVar(&k.insecure, "insecure", false, "talk without a key over a network that others can reach")
}

// check reads the key file. Without one it refuses to go on if an address is exposed, unless the
// user insists. Who has to have the key is for the advice.
func (k *keyring) check(exposed, who string) (err error) {
	if k.file != "" {
		if k.insecure {
			return usage("--insecure means that there is no key: leave it out, or --key-file")
		}
		k.keys, err = readKeys(k.file)
		return err
	}
	if exposed != "" && !k.insecure {
		return usage("--key-file is missing: %s is not on this machine alone, so others could read and forge what goes there. "+
			"Make a key with vrnode keygen, for %s, or say --insecure", exposed, who)
	}
	return nil
}

// flags writes the flags as on the command line, with a space in front.
func (k *keyring) flags() string {
	switch {
	case k.file != "":
		return " --key-file " + k.file
	case k.insecure:
		return " --insecure"
	}
	return ""
}
