// Package auth checks the JSON Web Tokens by which clients say who they are (RFC 7519), against keys from a file or a
// JWK set that is fetched (RFC 7517), and keeps the list of what was revoked before its time.
//
// [Verifier.Verify] and [Revoked] do no I/O. [Keys] read and fetch, on a goroutine of their own.
package auth
