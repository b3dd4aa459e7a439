package afpacket

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// A waiter is what a reader waits for beside frames: an eventfd, by which stop ends the wait, and a netlink socket, on
// which the kernel announces that an interface was created, removed or changed.
type waiter struct{ wake, links int }

func openWaiter() (w waiter, err error) {
	w = waiter{wake: -1, links: -1}
	defer func() {
		if err != nil {
			_ = w.close() // the first error is returned
		}
	}()
	if w.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return w, fmt.Errorf("eventfd: %w", err)
	}
	kind := unix.SOCK_RAW | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	if w.links, err = unix.Socket(unix.AF_NETLINK, kind, unix.NETLINK_ROUTE); err != nil {
		return w, fmt.Errorf("netlink socket: %w", err)
	}
	if err = unix.Bind(w.links, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}); err != nil {
		return w, fmt.Errorf("netlink group of interfaces: %w", err)
	}
	return w, nil
}

// wait returns once the packet socket fd has a frame or an error, an interface has changed, stop was called or so many
// milliseconds have passed. It reports whether the interface has to be checked.
func (w *waiter) wait(fd, milliseconds int) (changed bool, err error) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(w.wake), Events: unix.POLLIN},
		{Fd: int32(w.links), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, milliseconds)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return false, fmt.Errorf("afpacket: poll: %w", err)
	}
	changed = n == 0
	if fds[2].Revents != 0 {
		w.drain()
		changed = true
	}
	if fds[0].Revents&unix.POLLERR == 0 {
		return changed, nil
	}
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR) // also clears it
	switch {
	case err != nil:
		return true, fmt.Errorf("afpacket: read socket error: %w", err)
	case errno != 0 && unix.Errno(errno) != unix.ENETDOWN: // the interface went down, or was removed
		return true, fmt.Errorf("afpacket: socket: %w", unix.Errno(errno))
	}
	return true, nil
}

// drain discards the announcements. The interface itself is checked instead, so that one that had no room in the socket
// makes no difference.
func (w *waiter) drain() {
	var b [4096]byte
	for {
		if _, _, err := unix.Recvfrom(w.links, b[:], 0); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
	}
}

// stop ends the wait, and every wait from now on.
func (w *waiter) stop() error {
	_, err := unix.Write(w.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	return err
}

// stopped reports whether stop was called.
func (w *waiter) stopped() bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(w.wake), Events: unix.POLLIN}}, 0)
	return err == nil && n > 0
}

func (w *waiter) close() error {
	var errs []error
	for _, fd := range []int{w.wake, w.links} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	w.wake, w.links = -1, -1
	return errors.Join(errs...)
}
