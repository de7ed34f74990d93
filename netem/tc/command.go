package tc

import "strings"

// A Command is a program and its arguments.
type Command []string

// String writes the command as a shell takes it.
func (c Command) String() string {
	words := make([]string, len(c))
	for i, w := range c {
		words[i] = quote(w)
	}
	return strings.Join(words, " ")
}

// quote puts a word in quotes if a shell would take it apart.
func quote(w string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:%,@+=", r)
	}
	if w != "" && strings.TrimFunc(w, plain) == "" {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}

// words makes a command of text that holds no spaces inside a word, and more words after it.
func words(text string, more ...string) Command { return append(strings.Fields(text), more...) }

func join(parts ...[]string) Command {
	var c Command
	for _, p := range parts {
		c = append(c, p...)
	}
	return c
}
