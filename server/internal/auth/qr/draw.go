package qr

// set draws a module of a pattern.
func (c *Code) set(x, y int, dark bool) {
	c.dark[y*c.size+x], c.fixed[y*c.size+x] = dark, true
}

func (c *Code) drawPatterns() {
	for i := range c.size {
		c.set(6, i, i%2 == 0)
		c.set(i, 6, i%2 == 0)
	}
	c.drawFinder(3, 3)
	c.drawFinder(c.size-4, 3)
	c.drawFinder(3, c.size-4)
	at := c.alignments()
	for i, y := range at {
		for j, x := range at {
			corner := i == 0 && j == 0 || i == 0 && j == len(at)-1 || i == len(at)-1 && j == 0
			if !corner {
				c.drawAlignment(x, y)
			}
		}
	}
	c.drawFormat(0) // keeps the place; the mask's own comes later
	c.drawVersion()
}

func (c *Code) drawFinder(cx, cy int) {
	for dy := -4; dy <= 4; dy++ {
		for dx := -4; dx <= 4; dx++ {
			x, y := cx+dx, cy+dy
			if x < 0 || y < 0 || x >= c.size || y >= c.size {
				continue
			}
			ring := max(abs(dx), abs(dy))
			c.set(x, y, ring != 2 && ring != 4)
		}
	}
}

func (c *Code) drawAlignment(cx, cy int) {
	for dy := -2; dy <= 2; dy++ {
		for dx := -2; dx <= 2; dx++ {
			c.set(cx+dx, cy+dy, max(abs(dx), abs(dy)) != 1)
		}
	}
}

// alignments are the rows, and columns, of the centres of the small squares.
func (c *Code) alignments() []int {
	if c.version == 1 {
		return nil
	}
	n := c.version/7 + 2
	step := (c.version*8 + n*3 + 5) / (n*4 - 4) * 2
	out := make([]int, n)
	out[0] = 6
	for i, at := n-1, c.size-7; i > 0; i, at = i-1, at-step {
		out[i] = at
	}
	return out
}

// drawFormat writes level and mask, twice.
func (c *Code) drawFormat(mask int) {
	const levelM = 0
	data := levelM<<3 | mask
	rem := data
	for range 10 {
		rem = rem<<1 ^ (rem>>9)*0x537
	}
	bits := (data<<10 | rem) ^ 0x5412
	bit := func(i int) bool { return bits>>i&1 == 1 }
	for i := range 6 {
		c.set(8, i, bit(i))
	}
	c.set(8, 7, bit(6))
	c.set(8, 8, bit(7))
	c.set(7, 8, bit(8))
	for i := 9; i < 15; i++ {
		c.set(14-i, 8, bit(i))
	}
	for i := range 8 {
		c.set(c.size-1-i, 8, bit(i))
	}
	for i := 8; i < 15; i++ {
		c.set(8, c.size-15+i, bit(i))
	}
	c.set(8, c.size-8, true)
}

// drawVersion writes the version of the larger codes, twice.
func (c *Code) drawVersion() {
	if c.version < 7 {
		return
	}
	rem := c.version
	for range 12 {
		rem = rem<<1 ^ (rem>>11)*0x1F25
	}
	bits := c.version<<12 | rem
	for i := range 18 {
		dark := bits>>i&1 == 1
		a, b := c.size-11+i%3, i/3
		c.set(a, b, dark)
		c.set(b, a, dark)
	}
}

// drawData lays the codewords in pairs of columns, up and down, from the lower
// right.
func (c *Code) drawData(codewords []byte) {
	i := 0
	for right := c.size - 1; right >= 1; right -= 2 {
		if right == 6 {
			right = 5
		}
		for vert := range c.size {
			for j := range 2 {
				x, y := right-j, vert
				if (right+1)&2 == 0 {
					y = c.size - 1 - vert
				}
				if !c.fixed[y*c.size+x] && i < 8*len(codewords) {
					c.dark[y*c.size+x] = codewords[i/8]>>(7-i%8)&1 == 1
					i++
				}
			}
		}
	}
}

var masks = [8]func(x, y int) bool{
	func(x, y int) bool { return (x+y)%2 == 0 },
	func(_, y int) bool { return y%2 == 0 },
	func(x, _ int) bool { return x%3 == 0 },
	func(x, y int) bool { return (x+y)%3 == 0 },
	func(x, y int) bool { return (x/3+y/2)%2 == 0 },
	func(x, y int) bool { return x*y%2+x*y%3 == 0 },
	func(x, y int) bool { return (x*y%2+x*y%3)%2 == 0 },
	func(x, y int) bool { return ((x+y)%2+x*y%3)%2 == 0 },
}

// applyMask inverts the data modules that the mask names; twice is nothing.
func (c *Code) applyMask(mask int) {
	for y := range c.size {
		for x := range c.size {
			if !c.fixed[y*c.size+x] && masks[mask](x, y) {
				c.dark[y*c.size+x] = !c.dark[y*c.size+x]
			}
		}
	}
}

// chooseMask applies the mask whose code a camera reads best.
func (c *Code) chooseMask() {
	best, least := 0, -1
	for m := range masks {
		c.applyMask(m)
		c.drawFormat(m)
		if p := c.penalty(); least < 0 || p < least {
			best, least = m, p
		}
		c.applyMask(m)
	}
	c.applyMask(best)
	c.drawFormat(best)
}

// penalty counts long runs, blocks of one colour, and more of one colour than
// of the other.
func (c *Code) penalty() int {
	p, dark := 0, 0
	for a := range c.size {
		p += c.runs(func(i int) bool { return c.Dark(i, a) }) + c.runs(func(i int) bool { return c.Dark(a, i) })
		for b := range c.size {
			d := c.Dark(a, b)
			if d {
				dark++
			}
			if a > 0 && b > 0 && d == c.Dark(a-1, b) && d == c.Dark(a, b-1) && d == c.Dark(a-1, b-1) {
				p += 3
			}
		}
	}
	return p + 10*(abs(20*dark-10*c.size*c.size)/(c.size*c.size))
}

func (c *Code) runs(at func(int) bool) (p int) {
	run := 1
	for i := 1; i <= c.size; i++ {
		if i < c.size && at(i) == at(i-1) {
			run++
			continue
		}
		if run >= 5 {
			p += run - 2
		}
		run = 1
	}
	return p
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
