package lab

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/anishathalye/porcupine"

	"vrnode/netem/result"
)

// judgeTimeout bounds how long the judge of linearizability thinks.
const judgeTimeout = time.Minute

// linearizable asks porcupine whether one accumulator could have given all the answers, each at a
// moment between call and answer. A call without an answer may have been executed at any time
// after it was made, or never.
func linearizable(history []result.Call) (result.Outcome, string) {
	var operations []porcupine.Operation
	answered, unanswered := 0, 0
	for _, c := range history {
		o := porcupine.Operation{ClientId: c.Client, Input: added(c.Command), Call: int64(c.Invoke), Return: int64(c.Return)}
		switch c.End {
		case result.Refused:
			continue
		case result.Unanswered:
			if c.Command == "read" {
				continue
			}
			unanswered++
			o.Return = math.MaxInt64
		case result.Answered:
			value, err := strconv.ParseInt(c.Result, 10, 64)
			if err != nil {
				return result.Failed, fmt.Sprintf("%s was answered %q", c.Command, c.Result)
			}
			o.Output = value
			answered++
		}
		operations = append(operations, o)
	}
	if answered == 0 {
		return result.Unknown, "no operation was answered, so there is nothing to judge"
	}
	switch porcupine.CheckOperationsTimeout(accumulator, operations, judgeTimeout) {
	case porcupine.Ok:
		return result.Pass, fmt.Sprintf("%d operations, %d of them without an answer", len(operations), unanswered)
	case porcupine.Illegal:
		return result.Failed, fmt.Sprintf("no order of the %d operations explains the answers", len(operations))
	}
	return result.Unknown, fmt.Sprintf("not decided in %v", judgeTimeout)
}

// accumulator is a value to which inputs are added. An output of nil is not known.
var accumulator = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, output any) (bool, any) {
		value := state.(int64) + input.(int64)
		return output == nil || output == value, value
	},
}
