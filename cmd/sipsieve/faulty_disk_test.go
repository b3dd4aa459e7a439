package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"sipsieve/cmd/sipsieve/daemon"
)

// A faultyDisk is a disk whose every write fails with one error until it is mended: also of files that are open, as of a
// disk that breaks, or that the kernel makes read-only. It is a FUSE file system over a folder, since no other way to
// have a kernel return EIO, and take it back, is on every host.
type faultyDisk struct{ fault atomic.Pointer[diskFault] }

// A diskFault is what is wrong with a faultyDisk.
type diskFault struct {
	errno syscall.Errno
	only  string // part of the paths of the files that it is of; "" for the whole disk
	reads bool   // reading fails too
	syncs bool   // only fsync fails
}

// breakDown has writes fail with errno, of EIO also reads; 0 mends the disk.
func (d *faultyDisk) breakDown(errno syscall.Errno) {
	d.breakAs(diskFault{errno: errno, reads: errno == syscall.EIO})
}

func (d *faultyDisk) breakAs(f diskFault) { d.fault.Store(&f) }

// error returns how a call of a file fails, 0 if it does not.
func (d *faultyDisk) error(name string, reads, syncs bool) syscall.Errno {
	f := d.fault.Load()
	if f == nil || !strings.Contains(name, f.only) || reads && !f.reads || f.syncs && !syncs {
		return 0
	}
	return f.errno
}

// A faultyNode is a file or folder of the disk.
type faultyNode struct {
	fs.LoopbackNode
	disk *faultyDisk
}

// A faultyFile is an open file of the disk.
type faultyFile struct {
	*fs.LoopbackFile
	disk *faultyDisk
	name string
}

func (f *faultyFile) Read(ctx context.Context, buf []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if errno := f.disk.error(f.name, true, false); errno != 0 {
		return nil, errno
	}
	return f.LoopbackFile.Read(ctx, buf, off)
}

func (f *faultyFile) PassthroughFd() (int, bool) { return 0, false } // or the kernel would write without the disk

func (f *faultyFile) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	if errno := f.disk.error(f.name, false, false); errno != 0 {
		return 0, errno
	}
	return f.LoopbackFile.Write(ctx, data, off)
}

func (f *faultyFile) Writev(ctx context.Context, data [][]byte, off int64) (uint32, syscall.Errno) {
	if errno := f.disk.error(f.name, false, false); errno != 0 {
		return 0, errno
	}
	return f.LoopbackFile.Writev(ctx, data, off)
}

func (f *faultyFile) Fsync(ctx context.Context, flags uint32) syscall.Errno {
	if errno := f.disk.error(f.name, false, true); errno != 0 {
		return errno
	}
	return f.LoopbackFile.Fsync(ctx, flags)
}

func (f *faultyFile) Allocate(ctx context.Context, off, size uint64, mode uint32) syscall.Errno {
	if errno := f.disk.error(f.name, false, false); errno != 0 {
		return errno
	}
	return f.LoopbackFile.Allocate(ctx, off, size, mode)
}

// below returns the path of what has that name in the folder n.
func (n *faultyNode) below(name string) string { return filepath.Join(n.Path(n.Root()), name) }

// wrap returns an open file of the disk.
func (n *faultyNode) wrap(fh fs.FileHandle, name string) fs.FileHandle {
	if f, ok := fh.(*fs.LoopbackFile); ok {
		return &faultyFile{f, n.disk, name}
	}
	return fh
}

func (n *faultyNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	name := n.Path(n.Root())
	reads := flags&(syscall.O_WRONLY|syscall.O_RDWR) == 0
	if errno := n.disk.error(name, reads, false); errno != 0 {
		return nil, 0, errno
	}
	fh, fuseFlags, errno := n.LoopbackNode.Open(ctx, flags)
	return n.wrap(fh, name), fuseFlags, errno
}

func (n *faultyNode) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle,
	uint32, syscall.Errno) {
	if errno := n.disk.error(n.below(name), false, false); errno != 0 {
		return nil, nil, 0, errno
	}
	inode, fh, fuseFlags, errno := n.LoopbackNode.Create(ctx, name, flags, mode, out)
	return inode, n.wrap(fh, n.below(name)), fuseFlags, errno
}

func (n *faultyNode) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.disk.error(n.below(name), false, false); errno != 0 {
		return nil, errno
	}
	return n.LoopbackNode.Mkdir(ctx, name, mode, out)
}

func (n *faultyNode) Unlink(ctx context.Context, name string) syscall.Errno {
	if errno := n.disk.error(n.below(name), false, false); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Unlink(ctx, name)
}

func (n *faultyNode) Rename(ctx context.Context, name string, parent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if errno := n.disk.error(n.below(name), false, false); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Rename(ctx, name, parent, newName, flags)
}

func (n *faultyNode) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if errno := n.disk.error(n.Path(n.Root()), false, false); errno != 0 {
		return errno
	}
	if one, ok := f.(*faultyFile); ok {
		f = one.LoopbackFile
	}
	return n.LoopbackNode.Setattr(ctx, f, in, out)
}

// mountFaulty mounts a faultyDisk at dir, which it makes, until the test ends.
func mountFaulty(t *testing.T, dir string) *faultyDisk {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("no /dev/fuse: a disk that breaks cannot be made here")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	disk, below := &faultyDisk{}, t.TempDir()
	var st syscall.Stat_t
	if err := syscall.Stat(below, &st); err != nil {
		t.Fatal(err)
	}
	data := &fs.LoopbackRoot{Path: below, Dev: st.Dev}
	root := &faultyNode{fs.LoopbackNode{RootData: data}, disk}
	data.RootNode = root
	o := &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "faulty", Name: "faulty"}}
	server, err := fs.Mount(dir, root, o)
	if err != nil {
		t.Fatalf("a disk that breaks needs root: %v", err)
	}
	t.Cleanup(func() {
		_ = unix.Unmount(dir, unix.MNT_DETACH)
		server.Wait()
	})
	return disk
}

// WrapChild implements fs.NodeWrapChilder: every file and folder below is of the disk.
func (n *faultyNode) WrapChild(context.Context, fs.InodeEmbedder) fs.InodeEmbedder {
	return &faultyNode{fs.LoopbackNode{RootData: n.RootData}, n.disk}
}

// A broken is a kind of trouble of a disk, and what is said of it.
type broken struct {
	errno syscall.Errno
	says  string
}

var breaks = map[string]broken{
	"read-only":        {syscall.EROFS, "read-only file system"},
	"an error of I/O":  {syscall.EIO, "input/output error"},
	"a quota exceeded": {syscall.EDQUOT, "disk quota exceeded"},
}

// TestABrokenDiskOfTheStoreIsNamedAndWaitedFor has the store on a disk of its own: the spool keeps what it does not take.
// Without SIPSIEVE_FULL=1 it has errors of I/O only.
func TestABrokenDiskOfTheStoreIsNamedAndWaitedFor(t *testing.T) {
	t.Parallel()
	for name, b := range breaks {
		if b.errno != syscall.EIO && os.Getenv("SIPSIEVE_FULL") == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 200)
			folder := filepath.Join(s.dir, "own", "store")
			want := s.replayed0(t)
			s.changes(t, "type = \"sqlite\"\n", "type = \"sqlite\"\npath = \""+folder+"\"\n")
			s.changes(t, "speed = 0", "speed = 30")
			disk := mountFaulty(t, filepath.Join(s.dir, "own"))
			p := s.start(t)
			s.up(t)
			s.await(t, "the first records", func(r *daemon.Status) bool { return r.Records["billing"] > 0 })
			disk.breakDown(b.errno)
			s.await(t, "that excerpts wait for the store, and why", func(r *daemon.Status) bool {
				for _, one := range r.Bus {
					if k := one.Keepers[daemon.PlaceStore]; strings.Contains(k.Why, "store in "+folder) && strings.Contains(k.Why, b.says) {
						return true
					}
				}
				return false
			})
			p.await(t, len(want)) // the bus has them
			disk.breakDown(0)
			s.awaitStored(t, len(want))
			if code := p.stop(t, syscall.SIGTERM); code != 0 {
				t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
			}
			same(t, s.stored(t), want)
			if t.Failed() {
				t.Log(p.stderr.String())
			}
		})
	}
}
