package main

import (
	"bytes"
	"math/rand/v2"
	"regexp"
	"testing"
	"time"

	"sipsieve/capture/capturetest"
)

var callIDLine = regexp.MustCompile(`(?i)(?:call-id|\ni)\s*: *([^\r\n]+)`)

// callOf returns the Call-ID that a frame shows.
func callOf(t *testing.T, f *capturetest.Frame) string {
	t.Helper()
	found := callIDLine.FindSubmatch(f.Data)
	if found == nil {
		t.Fatal("a frame without a Call-ID: the test shows nothing")
	}
	return string(found[1])
}

// TestPacketsOfOneTimeMayComeInAnyOrder shuffles packets of equal time that are of different calls: the excerpts are
// the same to the byte, for any number of shards.
func TestPacketsOfOneTimeMayComeInAnyOrder(t *testing.T) {
	frames := capturetest.Corpus(150, 7)
	for i := range frames {
		frames[i].Time = frames[i].Time.Truncate(250 * time.Millisecond)
	}
	write := func(frames []capturetest.Frame) string {
		var b bytes.Buffer
		if err := capturetest.WritePcap(&b, frames); err != nil {
			t.Fatal(err)
		}
		return written(t, b.Bytes())
	}
	want := replayOutput(t, write(frames), 1)
	for seed := range uint64(5) {
		mixed := shuffled(t, frames, rand.New(rand.NewPCG(seed, 1)))
		for _, shards := range []int{1, 4} {
			if got := replayOutput(t, write(mixed), shards); !bytes.Equal(got, want) {
				t.Errorf("seed %d, %d shards: the excerpts differ", seed, shards)
			}
		}
	}
}

// shuffled returns frames with those of one time in another order, but for the frames of one call among themselves.
func shuffled(t *testing.T, frames []capturetest.Frame, r *rand.Rand) (mixed []capturetest.Frame) {
	t.Helper()
	for len(frames) > 0 {
		n := 1
		for n < len(frames) && frames[n].Time.Equal(frames[0].Time) {
			n++
		}
		byCall, order := map[string][]capturetest.Frame{}, []string{}
		for i := range frames[:n] {
			id := callOf(t, &frames[i])
			byCall[id], order = append(byCall[id], frames[i]), append(order, id)
		}
		r.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, id := range order {
			mixed, byCall[id] = append(mixed, byCall[id][0]), byCall[id][1:]
		}
		frames = frames[n:]
	}
	return mixed
}
