package blob

import "sync"

// maxLeftovers bounds how many versions are remembered; a sweep finds the rest.
const maxLeftovers = 10_000

// leftovers are versions that could not be removed. They are tried again with
// the next that are removed.
type leftovers struct {
	mu       sync.Mutex
	versions map[string]struct{}
}

func (l *leftovers) add(version string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.versions == nil {
		l.versions = map[string]struct{}{}
	}
	if len(l.versions) < maxLeftovers {
		l.versions[version] = struct{}{}
	}
}

// take returns the versions and forgets them.
func (l *leftovers) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for v := range l.versions {
		all = append(all, v)
	}
	clear(l.versions)
	return all
}

// spare forgets versions that are needed after all.
func (l *leftovers) spare(versions map[string]struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for v := range versions {
		delete(l.versions, v)
	}
}
