package socketio

// AppendArgument appends the array payload to dst with one more element at its
// end, such as the offset that connection state recovery adds to an event.
// payload must be an array that [Decode], [ValidEvent] or [ValidArray] has
// accepted, and argument valid JSON; neither is changed. If payload is no array,
// it is appended as it is.
func AppendArgument(dst, payload, argument []byte) []byte {
	end := len(payload)
	for end > 0 && isSpace(payload[end-1]) {
		end--
	}
	if end < 2 || payload[0] != '[' || payload[end-1] != ']' {
		return append(dst, payload...)
	}
	dst = append(dst, payload[:end-1]...)
	if skipSpace(payload, 1) < end-1 {
		dst = append(dst, ',')
	}
	dst = append(dst, argument...)
	return append(dst, ']')
}
