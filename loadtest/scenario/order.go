package scenario

import (
	"context"
	"fmt"
)

// Orders that a squad is given, in this order but for samples, which may be taken at any time.
const (
	OrderConnect = "connect"
	OrderBegin   = "begin"
	OrderTrouble = "trouble"
	OrderSample  = "sample"
	OrderEnd     = "end"
	OrderSent    = "sent"
	OrderAudit   = "audit"
	OrderClose   = "close"
)

// Order is what a squad is to do. Between processes it travels as a line of JSON.
type Order struct {
	Do   string `json:"do,omitempty"`
	Sent Sent   `json:"sent,omitempty"` // of all squads, for an audit
}

// Reply is a squad's answer to an order.
type Reply struct {
	Sample     *Sample     `json:"sample,omitempty"`
	Sent       Sent        `json:"sent,omitempty"`
	Audit      *Audit      `json:"audit,omitempty"`
	Error      string      `json:"error,omitempty"`
	Completion *Completion `json:"completion,omitempty"` // no answer, but news for another process
}

// Do carries out an order.
func (s *Squad) Do(_ context.Context, o Order) (Reply, error) {
	switch o.Do {
	case OrderConnect:
		s.Connect()
	case OrderBegin:
		s.Begin()
	case OrderTrouble:
		s.Trouble()
	case OrderSample:
		sample := s.Sample()
		return Reply{Sample: &sample}, nil
	case OrderEnd:
		s.End()
	case OrderSent:
		return Reply{Sent: s.Sent()}, nil
	case OrderAudit:
		audit := s.Audit(o.Sent)
		return Reply{Audit: &audit}, nil
	case OrderClose:
		return Reply{}, s.Close()
	default:
		return Reply{}, fmt.Errorf("load: no order is called %q", o.Do)
	}
	return Reply{}, nil
}
