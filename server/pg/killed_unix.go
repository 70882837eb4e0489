//go:build unix

package pg

// freeKilled frees the segment of a clone's server that somebody killed: only such a one leaves its postmaster.pid.
func freeKilled(dataDir string) {
	if pf, err := readPidFile(dataDir); err == nil {
		removeSharedMemory(pf.shmID)
	}
}

// freeUnused frees that of a durable server once no process is attached to it: until then it tells the next start that
// some of the last one still write.
func freeUnused(dataDir string) {
	if pf, err := readPidFile(dataDir); err == nil && !sharedMemoryInUse(pf.shmID) {
		removeSharedMemory(pf.shmID)
	}
}
