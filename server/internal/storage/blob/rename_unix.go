//go:build unix && !linux

package blob

// renameNew renames a file and replaces none.
func renameNew(fromDir int, from string, toDir int, to string) error {
	return renameLooking(fromDir, from, toDir, to)
}
