package pgnet

import "time"

// Begin is what a session begins with.
var Begin = begin

// SetIdle sets how long a session goes on when there is nothing to do.
func (w *Worker) SetIdle(d time.Duration) { w.idle = d }
