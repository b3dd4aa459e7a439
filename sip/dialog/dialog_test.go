package dialog

import (
	"testing"
	"unsafe"
)

func TestDialogFitsItsBudget(t *testing.T) {
	if n := unsafe.Sizeof(Dialog{}); n > 512 {
		t.Errorf("a dialog is %d bytes, want 512 at most", n)
	}
}
