package afpacket

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errCgo is why a binary cannot change the capabilities of all its threads.
var errCgo = fmt.Errorf("give up CAP_NET_RAW: made with cgo: build with CGO_ENABLED=0: %w", syscall.ENOTSUP)

// CheckCapabilities returns why this process could not Open an interface and then give the right to up: an error that
// wraps syscall.EPERM without CAP_NET_RAW, one that wraps syscall.ENOTSUP in a binary made with cgo.
func CheckCapabilities() error {
	if errors.Is(everyThread(unix.SYS_GETPID, 0, 0, 0), syscall.ENOTSUP) {
		return errCgo
	}
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(header, &sets[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	if sets[0].Effective&(1<<unix.CAP_NET_RAW) == 0 {
		return fmt.Errorf("CAP_NET_RAW: %w", syscall.EPERM)
	}
	return nil
}

// DropCapabilities removes CAP_NET_RAW from every thread of this process, for good: from its ambient, effective,
// permitted and inheritable sets, and from the bounding set where CAP_SETPCAP allows that. Sources that are open go on.
// Call it after the last Open. A binary made with cgo returns an error that wraps syscall.ENOTSUP.
func DropCapabilities() error {
	if err := everyThread(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0); err != nil {
		if errors.Is(err, syscall.ENOTSUP) {
			return fmt.Errorf("afpacket: %w", errCgo)
		}
		return fmt.Errorf("afpacket: clear ambient capabilities: %w", err)
	}
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	sets := new([2]unix.CapUserData)
	var pin runtime.Pinner // both stay where they are while their addresses are numbers
	pin.Pin(header)
	pin.Pin(sets)
	defer pin.Unpin()
	if err := unix.Capget(header, &sets[0]); err != nil {
		return fmt.Errorf("afpacket: read capabilities: %w", err)
	}
	if sets[0].Effective&(1<<unix.CAP_SETPCAP) != 0 {
		if err := everyThread(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, unix.CAP_NET_RAW, 0); err != nil {
			return fmt.Errorf("afpacket: bound capabilities: %w", err)
		}
	}
	const mask = ^uint32(1 << unix.CAP_NET_RAW)
	sets[0].Effective &= mask
	sets[0].Permitted &= mask
	sets[0].Inheritable &= mask
	err := everyThread(unix.SYS_CAPSET, uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(sets)), 0)
	if err != nil {
		return fmt.Errorf("afpacket: drop capabilities: %w", err)
	}
	return nil
}

// everyThread makes one system call in all threads; its other arguments are 0.
func everyThread(trap, a1, a2, a3 uintptr) error {
	if _, _, errno := syscall.AllThreadsSyscall6(trap, a1, a2, a3, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
