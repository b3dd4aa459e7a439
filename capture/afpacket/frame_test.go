package afpacket

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// ether is two addresses; the EtherType or a tag follows.
const ether = "02000000000b02000000000a"

// ip4 is a header without options, RFC 791 section 3.1: flags and offset, protocol; 10.0.0.1 to 10.0.0.2.
func ip4(fragment, proto string) string {
	return "45000020" + "0001" + fragment + "40" + proto + "0000" + "0a000001" + "0a000002"
}

func ip6(next string) string {
	return "60000000" + "000c" + next + "40" + strings.Repeat("00", 15) + "01" + strings.Repeat("00", 15) + "02"
}

func fromHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// datagram is an Ethernet frame with a UDP datagram to the port, of size bytes in all, numbered in its payload.
func datagram(port uint16, number, size int) []byte {
	payload := fmt.Sprintf("OPTIONS sip:%08d SIP/2.0\r\n\r\n", number)
	payload += strings.Repeat("x", max(0, size-42-len(payload)))
	b := fromHex(ether + "0800" + ip4("0000", "11") + "c350")
	b = binary.BigEndian.AppendUint16(b, port)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	b = append(b, 0, 0)
	binary.BigEndian.PutUint16(b[16:], uint16(28+len(payload)))
	return append(b, payload...)
}

// segment is an Ethernet frame with a TCP segment to port 5060, RFC 9293 section 3.1: PSH and ACK.
func segment(from uint16, payload string) []byte {
	b := fromHex(ether + "0800" + ip4("4000", "06"))
	b = binary.BigEndian.AppendUint16(b, from)
	b = append(b, fromHex("13c4"+"00000001"+"00000001"+"5018"+"ffff"+"00000000")...)
	binary.BigEndian.PutUint16(b[16:], uint16(40+len(payload)))
	return append(b, payload...)
}
