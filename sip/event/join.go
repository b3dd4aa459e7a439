package event

// A Join has the groups of legs to which a call belongs. The zero Join is none.
type Join struct {
	Best Correlation
	Ties []Tie
}

// A Tie is the name of a group and the weakest Correlation on the path from the call to the first leg of the group.
type Tie struct {
	By    Correlation
	Group Key
}

// By returns the strongest Correlation that joins the call with another leg, and the name of the group of legs that are
// joined by Correlations with a score of at least min. All legs of a group have the same name, on every sensor that
// sees the first of them; the name reveals nothing. It returns Uncorrelated if there is no such group.
func (j Join) By(min int) (by Correlation, group Key) {
	for _, t := range j.Ties {
		if t.By.Score() >= min {
			by, group = j.Best, t.Group
		}
	}
	return by, group
}
