//go:build unix && !linux

package pg

import "syscall"

const haveUserNamespaces = false

// sysProcAttr returns the attributes that make a child run as the account.
func (a account) sysProcAttr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{}
	if a.mode == asOther {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid), Groups: []uint32{}}
	}
	return attr
}
