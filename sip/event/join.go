package event

// A Join is what a call is joined with. The zero Join is none.
type Join struct {
	Best Correlation
	Ties []Tie
}

// A Tie is the name of a group and the weakest join that holds it together on the way from a call to its first leg.
type Tie struct {
	By    Correlation
	Group Key
}

// By returns the strongest correlation that joins the call with another one, and the name of the group of legs that
// are held together by correlations of at least min. All legs of a group have the same name, on every sensor that
// sees the first of them; it says nothing of the group. Uncorrelated if the call is joined by nothing as sure as min.
func (j Join) By(min int) (by Correlation, group Key) {
	for _, t := range j.Ties {
		if t.By.Score() >= min {
			by, group = j.Best, t.Group
		}
	}
	return by, group
}
