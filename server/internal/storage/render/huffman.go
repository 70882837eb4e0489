package render

import (
	"math/bits"
	"slices"
)

// bitWriter writes numbers of some bits, the lowest first.
type bitWriter struct {
	out  []byte
	held uint64
	n    int
}

func (b *bitWriter) write(v uint64, n int) {
	b.held |= v << b.n
	for b.n += n; b.n >= 8; b.n -= 8 {
		b.out = append(b.out, byte(b.held))
		b.held >>= 8
	}
}

func (b *bitWriter) flush() {
	if b.n > 0 {
		b.out, b.held, b.n = append(b.out, byte(b.held)), 0, 0
	}
}

// huffman is the code of a symbol, in the order it is written in.
type huffman struct {
	bits   uint16
	length int
}

func (b *bitWriter) code(h huffman) { b.write(uint64(h.bits), h.length) }

// codes makes codes for symbols that occur so often, and writes their lengths.
func (b *bitWriter) codes(counts []int) []huffman {
	var used []int
	for s, n := range counts {
		if n > 0 {
			used = append(used, s)
		}
	}
	if len(used) <= 1 && (len(used) == 0 || used[0] < 256) {
		symbol := 0
		if len(used) == 1 {
			symbol = used[0]
		}
		b.write(1, 1) // a simple code
		b.write(0, 1) // of one symbol, which takes no bits
		b.write(1, 1) // in eight bits
		b.write(uint64(symbol), 8)
		return make([]huffman, len(counts))
	}
	lengths := lengthsOf(counts, 15)
	b.lengths(lengths)
	return canonical(lengths)
}

// lengths writes the lengths of codes, with runs of zeros made short.
func (b *bitWriter) lengths(lengths []int) {
	const shortZeros, longZeros = 17, 18
	type step struct{ symbol, extra, n int }
	var steps []step
	counts := make([]int, 19)
	for i := 0; i < len(lengths); {
		zeros := 0
		for i+zeros < len(lengths) && lengths[i+zeros] == 0 && zeros < 138 {
			zeros++
		}
		s := step{symbol: lengths[i]}
		switch {
		case zeros >= 11:
			s = step{longZeros, zeros - 11, 7}
		case zeros >= 3:
			s = step{shortZeros, zeros - 3, 3}
		default:
			zeros = 1
		}
		i += zeros
		counts[s.symbol]++
		steps = append(steps, s)
	}
	own := lengthsOf(counts, 7)
	order := []int{17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	n := len(order)
	for n > 4 && own[order[n-1]] == 0 {
		n--
	}
	b.write(0, 1) // no simple code
	b.write(uint64(n-4), 4)
	for _, s := range order[:n] {
		b.write(uint64(own[s]), 3)
	}
	b.write(0, 1) // lengths of all symbols follow
	codes := canonical(own)
	for _, s := range steps {
		b.code(codes[s.symbol])
		b.write(uint64(s.extra), s.n)
	}
}

// lengthsOf are the lengths of Huffman codes, none above most. Two symbols at
// least have one.
func lengthsOf(counts []int, most int) []int {
	counts = slices.Clone(counts)
	for s, left := 0, 2-used(counts); left > 0; s++ {
		if counts[s] == 0 {
			counts[s], left = 1, left-1
		}
	}
	for {
		lengths := tree(counts)
		if slices.Max(lengths) <= most {
			return lengths
		}
		for s, n := range counts { // closer to each other, in the end all the same
			counts[s] = (n + 1) / 2
		}
	}
}

func used(counts []int) (n int) {
	for _, c := range counts {
		if c > 0 {
			n++
		}
	}
	return n
}

// tree computes the depths of the leaves of a Huffman tree.
func tree(counts []int) []int {
	type node struct{ count, parent int }
	var nodes []node
	var leaves []int // symbols
	for s, n := range counts {
		if n > 0 {
			leaves = append(leaves, s)
		}
	}
	slices.SortStableFunc(leaves, func(a, b int) int { return counts[a] - counts[b] })
	for _, s := range leaves {
		nodes = append(nodes, node{count: counts[s]})
	}
	// leaves and branches are both in the order of their counts
	leaf, branch := 0, len(leaves)
	next := func() int {
		if leaf < len(leaves) && (branch >= len(nodes) || nodes[leaf].count <= nodes[branch].count) {
			leaf++
			return leaf - 1
		}
		branch++
		return branch - 1
	}
	for range len(leaves) - 1 {
		a := next()
		b := next()
		nodes[a].parent, nodes[b].parent = len(nodes), len(nodes)
		nodes = append(nodes, node{count: nodes[a].count + nodes[b].count})
	}
	depths, lengths := make([]int, len(nodes)), make([]int, len(counts))
	for i := len(nodes) - 2; i >= 0; i-- {
		depths[i] = depths[nodes[i].parent] + 1
	}
	for i, s := range leaves {
		lengths[s] = depths[i]
	}
	return lengths
}

// canonical are the codes of these lengths.
func canonical(lengths []int) []huffman {
	codes := make([]huffman, len(lengths))
	next := uint16(0)
	for length := 1; length <= 15; length++ {
		next <<= 1
		for s, l := range lengths {
			if l == length {
				codes[s] = huffman{bits: bits.Reverse16(next) >> (16 - length), length: length}
				next++
			}
		}
	}
	return codes
}
