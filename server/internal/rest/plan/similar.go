package plan

// closest finds the candidate most like the text, when it is at least as like
// as the threshold; 1 is equal.
func closest(text string, candidates []string, threshold float64) (string, float64) {
	best, score := "", 0.0
	for _, c := range candidates {
		if s := similarity(text, c); s >= threshold && s > score && sharesGram(text, c) {
			best, score = c, s
		}
	}
	return best, score
}

// similarity is one less the edit distance by the longer length.
func similarity(a, b string) float64 {
	x, y := []rune(a), []rune(b)
	longer := max(len(x), len(y))
	if longer == 0 {
		return 1
	}
	if longer > maxCompared {
		return 0
	}
	return 1 - float64(distance(x, y))/float64(longer)
}

const maxCompared = 256

// distance is the number of insertions, deletions and substitutions between both.
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j, y := range b {
			cost := 1
			if x == y {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// sharesGram is true when both have two neighbouring letters in common.
func sharesGram(a, b string) bool {
	x, y := []rune("-"+a+"-"), []rune("-"+b+"-")
	seen := map[[2]rune]bool{}
	for i := 1; i < len(x); i++ {
		seen[[2]rune{x[i-1], x[i]}] = true
	}
	for i := 1; i < len(y); i++ {
		if seen[[2]rune{y[i-1], y[i]}] {
			return true
		}
	}
	return false
}
