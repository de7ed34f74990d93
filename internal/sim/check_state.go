package sim

import "fmt"

// I16 State: who takes part has the state that the ops up to the last executed one make, however it
// came by it. A replica that counts without its state may be the last one that seemed to have it.
func checkState(r *record, s *subject) string {
	if s.before.Restoring && s.now.Restoring && s.before.Applied != s.now.Applied {
		return fmt.Sprintf("executed op %d while its state was being replaced", s.now.Applied)
	}
	if !s.operational() || s.now.Restoring || s.before.Applied == s.now.Applied && s.before.Status == s.now.Status {
		return ""
	}
	for op := s.now.Applied; op > 0; op-- {
		if a, ok := r.executed[op]; ok {
			if a.digest != s.digest {
				return fmt.Sprintf("has another state than op %d makes, which is the last that it has executed", op)
			}
			return ""
		}
	}
	if s.digest != 0 {
		return "has a state that no op has made"
	}
	return ""
}
