package syntax

import "testing"

// TestALineWithoutAColonIsNoHeader has a line that reads as the compact name of Content-Length.
func TestALineWithoutAColonIsNoHeader(t *testing.T) {
	if n := BodyLength([]byte("OPTIONS sip:a SIP/2.0\r\nl\r\nl: 60\r\n\r\n")); n != 60 {
		t.Errorf("length = %d, want 60", n)
	}
}
