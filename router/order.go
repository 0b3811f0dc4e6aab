package router

import "slices"

// blockSize is how many numbers a block of an order holds at most. A block that is full is cut in two.
const blockSize = 512

// order is a sorted list of numbers of slab elements, in blocks of a few hundred: finding a place is a binary search,
// changing something moves one block's numbers, and reading on from a place costs what is read. An element costs some
// six bytes. What the elements are, and how they compare, the caller knows. Owned by the router's loop.
type order struct {
	blocks [][]uint32 // none is empty
	size   int
}

// seek returns the place of the first element for which compare is not negative. compare tells how an element stands
// to what is sought.
func (o *order) seek(compare func(v uint32) int) (block, at int) {
	below := func(v uint32, _ struct{}) int { return compare(v) }
	block, _ = slices.BinarySearchFunc(o.blocks, struct{}{}, func(b []uint32, _ struct{}) int {
		return compare(b[len(b)-1])
	})
	if block < len(o.blocks) {
		at, _ = slices.BinarySearchFunc(o.blocks[block], struct{}{}, below)
	}
	return block, at
}

// insert adds an element, which must not be there.
func (o *order) insert(v uint32, compare func(v uint32) int) {
	o.size++
	block, at := o.seek(compare)
	if block == len(o.blocks) {
		if block == 0 {
			o.blocks = append(o.blocks, []uint32{v})
			return
		}
		block--
		at = len(o.blocks[block])
	}
	b := o.blocks[block]
	if len(b) == blockSize {
		cut := blockSize / 2
		if at == blockSize && block == len(o.blocks)-1 {
			cut = blockSize - 1 // what comes in order fills its blocks
		}
		right := append(make([]uint32, 0, blockSize), b[cut:]...)
		o.blocks = slices.Insert(o.blocks, block+1, right)
		o.blocks[block] = b[:cut]
		if at > cut {
			block, at = block+1, at-cut
		}
	}
	o.blocks[block] = slices.Insert(o.blocks[block], at, v)
}

// remove takes an element out, by its own place; false if it is not there.
func (o *order) remove(v uint32, compare func(v uint32) int) bool {
	block, at := o.seek(compare)
	if block == len(o.blocks) || o.blocks[block][at] != v {
		return false
	}
	o.size--
	b := slices.Delete(o.blocks[block], at, at+1)
	o.blocks[block] = b
	switch next := block + 1; {
	case len(b) == 0:
		o.blocks = slices.Delete(o.blocks, block, block+1)
	case next < len(o.blocks) && len(b)+len(o.blocks[next]) <= blockSize/2:
		o.blocks[block] = append(b, o.blocks[next]...)
		o.blocks = slices.Delete(o.blocks, next, next+1)
	default:
		o.blocks[block] = shrink(b)
	}
	return true
}

// walk calls f with the elements from a place on, in order, until f returns false.
func (o *order) walk(block, at int, f func(v uint32) bool) {
	for ; block < len(o.blocks); block, at = block+1, 0 {
		for _, v := range o.blocks[block][at:] {
			if !f(v) {
				return
			}
		}
	}
}
