package wire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// WritePcap writes frames as a capture file in the format of draft-ietf-opsawg-pcap: little-endian, microseconds,
// the link type of the first frame, nothing cut.
func WritePcap(w io.Writer, frames []Frame) error {
	head := make([]byte, 24)
	binary.LittleEndian.PutUint32(head, 0xa1b2c3d4)
	binary.LittleEndian.PutUint16(head[4:], 2)
	binary.LittleEndian.PutUint16(head[6:], 4)
	binary.LittleEndian.PutUint32(head[16:], 262144)
	binary.LittleEndian.PutUint32(head[20:], LinkEthernet)
	if len(frames) > 0 {
		binary.LittleEndian.PutUint32(head[20:], uint32(frames[0].Link))
	}
	if _, err := w.Write(head); err != nil {
		return fmt.Errorf("wire: file header: %w", err)
	}
	var record []byte
	for i, f := range frames {
		record = binary.LittleEndian.AppendUint32(record[:0], uint32(f.Time.Unix()))
		record = binary.LittleEndian.AppendUint32(record, uint32(f.Time.Nanosecond()/1000))
		record = binary.LittleEndian.AppendUint32(record, uint32(len(f.Data)))
		record = binary.LittleEndian.AppendUint32(record, uint32(len(f.Data)))
		if _, err := w.Write(append(record, f.Data...)); err != nil {
			return fmt.Errorf("wire: frame %d: %w", i+1, err)
		}
	}
	return nil
}
