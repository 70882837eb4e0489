package pg

import "golang.org/x/sys/unix"

// topDirectory is what `chattr +T` sets: to ext4, a directory below is the top of a tree of its own.
const topDirectory = 0x20000

// spreadBelow has ext4 give every directory that is made in dir, and is named at random, another part of the disk. There
// it makes a thousand files in a fraction of the time that it takes where a thousand were removed in the last minutes: it
// looks at each of those, for every new file. To other file systems it is nothing.
func spreadBelow(dir string) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return // whoever writes there finds out
	}
	defer unix.Close(fd)
	if flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS); err == nil {
		_ = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags|topDirectory)) // it goes without
	}
}
