package track

// A Join is what a call is joined with. The zero Join is none.
type Join struct {
	by   Correlation
	ties []tie
}

// A tie is the name of a group and the weakest join that holds it together on the way from a call to its first leg.
type tie struct {
	by    Correlation
	group Key
}

// By returns the strongest correlation that joins the call with another one, and the name of the group of legs that
// are held together by correlations of at least min. All legs of a group have the same name, on every sensor that
// sees the first of them; it says nothing of the group. Uncorrelated if the call is joined by nothing as sure as min.
func (j Join) By(min int) (by Correlation, group Key) {
	for _, t := range j.ties {
		if t.by.Score() >= min {
			by, group = j.by, t.group
		}
	}
	return by, group
}
