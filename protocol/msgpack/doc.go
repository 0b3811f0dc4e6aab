// Package msgpack has Socket.IO packets in MessagePack, as socket.io-msgpack-parser
// sends and takes them: one binary message, a map of type, nsp, data and id. It
// transcodes between that and what everything else here speaks: JSON with
// placeholders, and attachments beside it.
//
// It is pure: bytes in, values out, without I/O, goroutines or clock.
package msgpack
