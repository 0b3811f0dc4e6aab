package worker

// What follows is for one socket alone, after what its namespace has of the same kind; at the end of the socket, before it.
// Added in the connection handler, it misses no event.

// OnEvent adds a handler for an event of this socket; see [Handlers.OnEvent]. [On] and its kin take a Socket as well.
func (s *Socket) OnEvent(event string, f EventHandler) (remove func()) {
	return s.handlers().OnEvent(event, f)
}

// Off removes the socket's own handlers of an event.
func (s *Socket) Off(event string) { s.handlers().Off(event) }

// UseEvents adds middleware for the socket's events; see [Handlers.UseEvents].
func (s *Socket) UseEvents(f EventHandler) (remove func()) { return s.handlers().UseEvents(f) }

// OnAny adds a handler for every event of this socket; see [Handlers.OnAny].
func (s *Socket) OnAny(f EventHandler) (remove func()) { return s.handlers().OnAny(f) }

// PrependAny is OnAny for a handler that runs before those that the socket has so far.
func (s *Socket) PrependAny(f EventHandler) (remove func()) { return s.handlers().PrependAny(f) }

// OnAnyOutgoing adds a handler for what this worker emits to this socket: by the socket's own methods, or to its id and nothing
// else. Emits to rooms that it is in do not come here: gateways know their members. See [Handlers.OnAnyOutgoing].
func (s *Socket) OnAnyOutgoing(f OutgoingHandler) (remove func()) {
	return s.handlers().OnAnyOutgoing(f)
}

// PrependAnyOutgoing is OnAnyOutgoing for a handler that runs before those that the socket has so far.
func (s *Socket) PrependAnyOutgoing(f OutgoingHandler) (remove func()) {
	return s.handlers().PrependAnyOutgoing(f)
}

// OnDisconnecting adds a handler for this socket; see [Handlers.OnDisconnecting].
func (s *Socket) OnDisconnecting(f DisconnectHandler) (remove func()) {
	return s.handlers().OnDisconnecting(f)
}

// OnDisconnect adds a handler for this socket; see [Handlers.OnDisconnect].
func (s *Socket) OnDisconnect(f DisconnectHandler) (remove func()) {
	return s.handlers().OnDisconnect(f)
}

// OnError adds a handler for what goes wrong with this socket; see [Handlers.OnError].
func (s *Socket) OnError(f ErrorHandler) (remove func()) { return s.handlers().OnError(f) }

func (s *Socket) handlers() *Handlers {
	if h := s.own.Load(); h != nil {
		return h
	}
	s.own.CompareAndSwap(nil, &Handlers{})
	return s.own.Load()
}
