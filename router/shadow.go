package router

import (
	"slices"

	"patchbay/backplane"
)

// claimOf takes down what a listed socket's node says of it.
func (x *index) claimOf(s *socket) claim {
	return claim{
		node: s.node, nsp: x.namespaces.at(s.nsp).name, worker: x.workers.name(s.worker),
		rooms: x.roomNames(s), data: x.dataOf(s),
	}
}

// claims reports whether a node claims any socket, listed or overlaid.
func (x *index) claims(node uint32) bool {
	if len(x.nodes.at(node).sockets) > 0 {
		return true
	}
	for _, claims := range x.shadows {
		if slices.ContainsFunc(claims, func(c claim) bool { return c.node == node }) {
			return true
		}
	}
	return false
}

// applyShadow makes a change to a claim that another node's overlays.
func (x *index) applyShadow(node uint32, c *backplane.Change) bool {
	claims := x.shadows[c.Socket]
	i := slices.IndexFunc(claims, func(c claim) bool { return c.node == node })
	if i < 0 {
		return false
	}
	shadow := &claims[i]
	switch c.Op {
	case backplane.SocketRemoved:
		x.keepShadows(c.Socket, withoutNode(claims, node))
	case backplane.RoomsJoined:
		shadow.rooms = append(shadow.rooms, c.Rooms...) // listing drops what is named twice
	case backplane.RoomsLeft:
		shadow.rooms = slices.DeleteFunc(slices.Clone(shadow.rooms), func(name string) bool {
			return slices.Contains(c.Rooms, name)
		})
	case backplane.DataChanged:
		shadow.data = string(c.Data)
	case backplane.WorkerChanged:
		shadow.worker = c.Worker
	default:
		return false
	}
	return true
}

// keepShadows replaces the overlaid claims to a socket.
func (x *index) keepShadows(id string, claims []claim) {
	if len(claims) == 0 {
		delete(x.shadows, id)
		return
	}
	x.shadows[id] = claims
}

func withoutNode(claims []claim, node uint32) []claim {
	return slices.DeleteFunc(claims, func(c claim) bool { return c.node == node })
}
