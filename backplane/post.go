package backplane

import (
	"math"

	"github.com/nats-io/nats.go"
)

// post is a fence's connection to one server.
type post struct {
	address string
	server  string     // its id
	nc      *nats.Conn // nil if it could not be made, or is another post's already
	sub     *nats.Subscription
	had     uint64 // the last number that came
	pending bool   // it is being made
}

func (p *post) close() {
	if p.nc != nil {
		p.nc.Close()
	}
}

// posts are those of a fence, by the servers' addresses; "" is the connection itself.
type posts map[string]*post

// at finds the post at a server, other than one.
func (s posts) at(server string, than *post) *post {
	for _, p := range s {
		if p != than && p.nc != nil && p.server == server {
			return p
		}
	}
	return nil
}

// all is the number that every server has which can be reached; 0 if none can.
func (s posts) all() uint64 {
	number := uint64(math.MaxUint64)
	for _, p := range s {
		if p.nc != nil && p.nc.IsConnected() {
			number = min(number, p.had)
		}
	}
	if number == math.MaxUint64 {
		return 0
	}
	return number
}

// behind lists the servers that can be reached and have not had a number.
func (s posts) behind(number uint64) []string {
	var list []string
	for address, p := range s {
		if p.nc != nil && p.nc.IsConnected() && p.had < number {
			list = append(list, address)
		}
	}
	return list
}
