package server

// LimitBranches has at most n branches of a server live at once.
func LimitBranches(c *Config, n int) { c.branchRoom = make(chan struct{}, n) }
