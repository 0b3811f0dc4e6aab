package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
	"patchbay/cmd/patchbay/tap"
)

// errSocketID reports a text that is no socket's id.
var errSocketID = errors.New("not a socket id")

type tapCommand struct {
	Backplane backplane.Options `embed:""`
	Namespace string            `name:"namespace" default:"/" help:"Namespace to look at: what is emitted to all of it, unless a room or socket is named."`
	Room      string            `name:"room" xor:"whom" help:"Room whose emits to show."`
	Socket    string            `name:"socket" xor:"whom" help:"Socket to show all of, both ways, by its id."`
	Redact    bool              `name:"redact" help:"Show of each value its kind and length alone."`
	Count     int               `name:"count" default:"0" help:"Stop after this many messages; 0 means never."`
	For       time.Duration     `name:"for" default:"0" help:"Stop after this time; 0 means never."`

	out io.Writer // os.Stdout if nil
}

// Run shows messages until it is told to stop. kong calls it.
func (c *tapCommand) Run(ctx context.Context, log *zap.Logger) error {
	c.Backplane.Name, c.Backplane.Log = "tap", log
	conn, err := backplane.Open(ctx, c.Backplane)
	if err != nil {
		return err
	}
	defer conn.Close()
	if c.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	subjects, err := c.subjects(conn)
	if err != nil {
		return err
	}
	inbox := backplane.NewInbox(conn, 0)
	for _, subject := range subjects {
		if _, err := inbox.Subscribe(subject); err != nil {
			return err
		}
	}
	if err := conn.Flush(ctx); err != nil {
		return err
	}
	out := c.out
	if out == nil {
		out = os.Stdout
	}
	log.Info("listening", zap.Strings("subjects", subjects))
	for shown := 0; c.Count == 0 || shown < c.Count; shown++ {
		select {
		case m := <-inbox.C:
			if _, err := fmt.Fprintln(out, tap.Line(conn.Subjects, m, time.Now(), c.Redact)); err != nil {
				return fmt.Errorf("print: %w", err)
			}
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

func (c *tapCommand) subjects(conn *backplane.Conn) ([]string, error) {
	switch {
	case c.Socket != "":
		if _, _, ok := backplane.SplitSocketID(c.Socket); !ok {
			return nil, fmt.Errorf("%w: %q", errSocketID, c.Socket)
		}
		return []string{conn.SocketAll(c.Socket), conn.WorkersAbout(c.Socket)}, nil
	case c.Room != "":
		return []string{conn.Room(c.Namespace, c.Room)}, nil
	}
	return []string{conn.Namespace(c.Namespace)}, nil
}
