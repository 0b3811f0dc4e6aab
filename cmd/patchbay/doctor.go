package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"

	"patchbay/cmd/patchbay/doctor"
	"patchbay/gateway"
	"patchbay/protocol/engineio"
)

// errUnwell is how doctor ends when something is wrong.
var errUnwell = errors.New("something is wrong; see above")

type doctorCommand struct {
	Gateway gateway.Options `embed:""`
}

// Run looks at this machine and at NATS as a gateway with the same settings would find them. kong calls it.
func (c *doctorCommand) Run(ctx context.Context, _ *zap.Logger) error {
	findings := append(doctor.Machine("/proc"), doctor.Secret(c.Gateway.Secret))
	maxPayload := c.Gateway.Engine.MaxPayload
	if maxPayload == 0 {
		maxPayload = engineio.DefaultMaxPayload
	}
	findings = append(findings, doctor.Cluster(ctx, c.Gateway.Backplane, maxPayload)...)
	if c.Gateway.HTTP.TLSCert != "" || c.Gateway.HTTP.TLSKey != "" {
		findings = append(findings, doctor.Certificate(c.Gateway.HTTP.TLSCert, c.Gateway.HTTP.TLSKey, time.Now()))
	}
	well, err := doctor.Print(os.Stdout, findings)
	if err != nil {
		return fmt.Errorf("print findings: %w", err)
	}
	if !well {
		return errUnwell
	}
	return nil
}
