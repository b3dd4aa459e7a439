package afpacket

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// An assembler writes classic BPF with names for the places that jumps go to. Jumps go forward only.
type assembler struct {
	code   []bpf.Instruction
	labels map[string]int
	jumps  []branch
}

// A branch is a jump whose target was not known when it was written.
type branch struct {
	at int
	to string
}

// emit appends instructions that do not jump, or that jump by a distance known to the caller.
func (a *assembler) emit(is ...bpf.Instruction) { a.code = append(a.code, is...) }

// label names the place where the next instruction will stand.
func (a *assembler) label(name string) {
	if a.labels == nil {
		a.labels = make(map[string]int)
	}
	a.labels[name] = len(a.code)
}

// when jumps to a label if the accumulator meets the test, and falls through otherwise.
func (a *assembler) when(test bpf.JumpTest, val uint32, to string) {
	a.jumps = append(a.jumps, branch{len(a.code), to})
	a.emit(bpf.JumpIf{Cond: test, Val: val})
}

// among jumps to a label if the accumulator is one of the list.
func (a *assembler) among(list []uint32, to string) {
	for _, val := range list {
		a.when(bpf.JumpEqual, val, to)
	}
}

// goTo jumps to a label.
func (a *assembler) goTo(to string) {
	a.jumps = append(a.jumps, branch{len(a.code), to})
	a.emit(bpf.Jump{})
}

// assemble fills in the distances. A conditional jump reaches 255 instructions.
func (a *assembler) assemble() ([]bpf.RawInstruction, error) {
	for _, j := range a.jumps {
		target, ok := a.labels[j.to]
		if !ok {
			return nil, fmt.Errorf("afpacket: filter: no label %s", j.to)
		}
		if err := a.patch(j.at, target-j.at-1); err != nil {
			return nil, fmt.Errorf("afpacket: filter: jump at %d to %s: %w", j.at, j.to, err)
		}
	}
	return bpf.Assemble(a.code)
}

func (a *assembler) patch(at, skip int) error {
	if skip < 0 {
		return fmt.Errorf("backwards by %d", -skip)
	}
	switch in := a.code[at].(type) {
	case bpf.Jump:
		a.code[at] = bpf.Jump{Skip: uint32(skip)}
	case bpf.JumpIf:
		if skip > 255 {
			return fmt.Errorf("distance %d, limit 255", skip)
		}
		in.SkipTrue = uint8(skip)
		a.code[at] = in
	}
	return nil
}
