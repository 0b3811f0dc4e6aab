package router

// names gives small numbers to names that many sockets share (namespaces' workers, birth
// nodes), and counts their uses: a name whose last use ends is forgotten, so the table
// is as large as what lives, not as what ever lived. Owned by the router's loop.
type names struct {
	entries []namesEntry
	byName  map[string]uint32
	free    []uint32
}

type namesEntry struct {
	name string
	uses uint32
}

func newNames() names { return names{byName: map[string]uint32{}} }

// acquire counts one more use of a name and returns its number.
func (n *names) acquire(name string) uint32 {
	if i, ok := n.byName[name]; ok {
		n.entries[i].uses++
		return i
	}
	var i uint32
	if last := len(n.free) - 1; last >= 0 {
		i, n.free = n.free[last], n.free[:last]
	} else {
		i = uint32(len(n.entries))
		n.entries = append(n.entries, namesEntry{})
	}
	n.entries[i] = namesEntry{name: name, uses: 1}
	n.byName[name] = i
	return i
}

// release ends one use.
func (n *names) release(i uint32) {
	e := &n.entries[i]
	if e.uses--; e.uses > 0 {
		return
	}
	delete(n.byName, e.name)
	*e = namesEntry{}
	n.free = append(n.free, i)
}

// find returns the number of a name in use.
func (n *names) find(name string) (uint32, bool) {
	i, ok := n.byName[name]
	return i, ok
}

// name returns the name with a number that is in use.
func (n *names) name(i uint32) string { return n.entries[i].name }

// uses returns how many uses a name has.
func (n *names) uses(name string) int {
	if i, ok := n.byName[name]; ok {
		return int(n.entries[i].uses)
	}
	return 0
}
