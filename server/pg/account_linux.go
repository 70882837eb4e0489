package pg

import (
	"os"
	"syscall"
)

const haveUserNamespaces = true

// sysProcAttr returns the attributes that make a child run as the account.
func (a account) sysProcAttr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{}
	switch a.mode {
	case asOther:
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid), Groups: []uint32{}}
	case asMapped:
		attr.Cloneflags = syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobodyID, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobodyID, HostID: os.Getegid(), Size: 1}}
		attr.Credential = &syscall.Credential{Uid: nobodyID, Gid: nobodyID, NoSetGroups: true}
	}
	return attr
}
