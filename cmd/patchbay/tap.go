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
	User      string            `name:"user" xor:"whom" help:"User to show all of in the namespace: what is emitted to the user, and every socket of the user's, both ways, from a second after it has joined at the latest."`
	Redact    bool              `name:"redact" help:"Show of each value its kind and length alone."`
	Count     int               `name:"count" default:"0" help:"Stop after this many messages; 0 means never."`
	For       time.Duration     `name:"for" default:"0" help:"Stop after this time; 0 means never."`

	out io.Writer // os.Stdout if nil
}

// lookEvery is how often the routers are asked for a user's sockets.
const lookEvery = time.Second

// Run shows messages until it is told to stop. kong calls it.
func (c *tapCommand) Run(ctx context.Context, log *zap.Logger) error {
	c.Backplane.Name, c.Backplane.Role, c.Backplane.Log = "tap", backplane.RoleOperator, log
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
	if c.out == nil {
		c.out = os.Stdout
	}
	inbox := backplane.NewInbox(conn, 0)
	if c.User != "" {
		return c.follow(ctx, log, conn, inbox)
	}
	subjects, err := c.subjects(conn)
	if err != nil {
		return err
	}
	for _, subject := range subjects {
		if _, err := inbox.Subscribe(subject); err != nil {
			return err
		}
	}
	if err := conn.Flush(ctx); err != nil {
		return err
	}
	log.Info("listening", zap.Strings("subjects", subjects))
	return c.show(ctx, conn, inbox, nil, nil)
}

// follow shows what is said to and by all sockets of a user.
func (c *tapCommand) follow(ctx context.Context, log *zap.Logger, conn *backplane.Conn, inbox *backplane.Inbox) error {
	f, err := tap.Follow(conn, inbox, c.Namespace, c.User)
	if err != nil {
		return err
	}
	look := func() error {
		came, gone, err := f.Update(ctx)
		if err == nil {
			err = conn.Flush(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, tap.ErrQuery):
			log.Warn("cannot look for the user's sockets now", zap.Error(err))
			return nil
		case err != nil:
			return err
		}
		if len(came)+len(gone) > 0 {
			log.Info("the user's sockets", zap.Strings("came", came), zap.Strings("gone", gone))
		}
		return nil
	}
	if err := look(); err != nil {
		return err
	}
	log.Info("listening", zap.String("user", c.User))
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	return c.show(ctx, conn, inbox, tick.C, look)
}

// show prints messages, and calls look at each tick.
func (c *tapCommand) show(ctx context.Context, conn *backplane.Conn, inbox *backplane.Inbox, ticks <-chan time.Time, look func() error) error {
	for shown := 0; c.Count == 0 || shown < c.Count; {
		select {
		case m := <-inbox.C:
			if _, err := fmt.Fprintln(c.out, tap.Line(conn.Subjects, m, time.Now(), c.Redact)); err != nil {
				return fmt.Errorf("print: %w", err)
			}
			shown++
		case <-ticks:
			if err := look(); err != nil {
				return err
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
