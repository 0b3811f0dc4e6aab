package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
)

type revokeCommand struct {
	Backplane backplane.Options `embed:""`
	User      string            `name:"user" xor:"what" required:"" help:"Revoke a user's tokens that were issued by now."`
	Token     string            `name:"token" xor:"what" required:"" help:"Revoke a token, by its id (jti)."`
	Socket    string            `name:"socket" xor:"what" required:"" help:"End one socket, by its id."`
	For       time.Duration     `name:"for" default:"0" help:"How long to remember it; 0 means for as long as a token may live."`
}

// Run tells every gateway, and ends. kong calls it.
func (c *revokeCommand) Run(ctx context.Context, log *zap.Logger) error {
	c.Backplane.Name, c.Backplane.Log = "revoke", log
	conn, err := backplane.Open(ctx, c.Backplane)
	if err != nil {
		return err
	}
	defer conn.Close()
	r := backplane.Revocation{User: c.User, Token: c.Token, Socket: c.Socket, At: time.Now()}
	if c.For > 0 {
		r.Until = r.At.Add(c.For)
	}
	if err := conn.Revoke(r); err != nil {
		return err
	}
	if err := conn.Flush(ctx); err != nil {
		return err
	}
	_, err = fmt.Fprintln(os.Stdout, "revoked")
	return err
}
