package main

import (
	"context"
	"os"

	"patchbay/gateway"
	"patchbay/internal/ops"
	"patchbay/internal/tracing"
)

// openTracing begins to send spans, if the gateway is to trace something, and has it do so. It returns nil if not.
func openTracing(ctx context.Context, o *gateway.Options, service string, p ops.Process) (t *tracing.Tracing, err error) {
	if o.Trace.Ratio, err = tracing.Ratio(o.Trace.Ratio, os.LookupEnv); err != nil || o.Trace.Ratio == 0 {
		return nil, err
	}
	t, err = tracing.Open(ctx, tracing.Options{Service: service, Lookup: os.LookupEnv, Log: p.Log, Metrics: p.Metrics})
	o.Trace.Provider = t.Provider()
	return t, err
}
