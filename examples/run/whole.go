package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/alecthomas/kong"
	"go.uber.org/zap"

	"patchbay/backplane"
	"patchbay/examples/page"
	"patchbay/gateway"
	"patchbay/internal/ops"
	"patchbay/internal/tracing"
	"patchbay/router"
	"patchbay/worker"
)

// wholeFlags are those of an example that has a page. Without a NATS server to go to, everything runs in this process.
type wholeFlags struct {
	flags
	Listen     string `name:"listen" default:"127.0.0.1:3000" help:"Where the page is served, if everything runs in this process."`
	ListenNATS string `name:"listen-nats" default:"127.0.0.1:4222" help:"Where other programs reach NATS then; empty for nowhere."`
	ClientDir  string `name:"client-dir" default:"loadtest/js/node_modules/socket.io-client/dist" help:"Directory of the client bundles to serve then."`
}

// Whole runs an application with its page, in the directory "static" of files: all of Patchbay in one process, or, if --nats names
// a server, a worker of the cluster there. It returns when the process is told to stop, and ends the process on errors.
func Whole(name, description string, files fs.FS, register func(*worker.App, *zap.Logger) error) {
	backplane.QuietMonitor()
	var f wholeFlags
	k := kong.Parse(&f, kong.Name(name), kong.Description(description), kong.PostBuild(ops.NameEnvironment),
		kong.Vars{"internal": "127.0.0.1:9301", "version": ops.Version(name)})
	elsewhere := os.Getenv("PATCHBAY_NATS") != "" || os.Getenv("NATS_URL") != ""
	for _, part := range k.Path {
		elsewhere = elsewhere || part.Flag != nil && part.Flag.Name == "nats"
	}
	ctx, stop := ops.Interruptible(context.Background())
	err := f.runWhole(ctx, name, elsewhere, files, register)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

func (f *wholeFlags) runWhole(ctx context.Context, name string, elsewhere bool, files fs.FS, register func(*worker.App, *zap.Logger) error) error {
	if elsewhere {
		return f.run(ctx, name, register)
	}
	log, err := ops.NewLog(f.LogLevel)
	if err != nil {
		return err
	}
	return ops.Run(ctx, f.Ops, log, func(ctx context.Context, p ops.Process) (ops.Part, error) {
		t, err := openTracing(ctx, name, p)
		if err != nil {
			return nil, err
		}
		f.Worker.Tracer = t.Provider()
		w := &whole{}
		if err := w.open(ctx, f, p, files, register); err != nil {
			return nil, errors.Join(err, traced{w, t}.Stop(context.WithoutCancel(ctx)))
		}
		_, err = fmt.Fprintf(os.Stdout, "Open http://%s/\n", w.gateway.Addr()) // whoever typed the command waits to read this
		return traced{w, t}, err
	})
}

// whole is all that an example needs, in one process.
type whole struct {
	server  *backplane.Server
	router  *router.Router
	worker  *worker.App
	gateway *gateway.Gateway
}

func (w *whole) open(ctx context.Context, f *wholeFlags, p ops.Process, files fs.FS, register func(*worker.App, *zap.Logger) error) (err error) {
	if w.server, err = backplane.StartServer(backplane.ServerOptions{Listen: f.ListenNATS, Log: p.Log}); err != nil {
		return err
	}
	link := backplane.Options{Server: w.server}
	if w.router, err = router.Open(ctx, router.Options{Backplane: link, Log: p.Log, Metrics: p.Metrics}); err != nil {
		return err
	}
	f.Worker.Backplane, f.Worker.Log, f.Worker.Metrics = link, p.Log, p.Metrics
	app, err := worker.New(f.Worker)
	if err == nil {
		err = register(app, p.Log)
	}
	if err == nil {
		err = app.Start(ctx)
	}
	if err != nil {
		return err
	}
	w.worker = app
	o := gateway.Options{Backplane: link, Listen: f.Listen, Log: p.Log, Metrics: p.Metrics}
	o.Trace.Provider = f.Worker.Tracer
	if o.Trace.Ratio, err = tracing.Ratio(0, os.LookupEnv); err != nil {
		return err
	}
	o.HTTP.ClientDir, o.HTTP.Page = f.ClientDir, page.Handler(files)
	w.gateway, err = gateway.Open(ctx, o)
	return err
}

// Ready implements ops.Part.
func (w *whole) Ready() error {
	return errors.Join(w.router.Ready(), w.worker.Ready(), w.gateway.Ready())
}

// Stop implements ops.Part: last opened, first stopped.
func (w *whole) Stop(ctx context.Context) (err error) {
	if w.gateway != nil {
		err = w.gateway.Stop(ctx)
	}
	if w.worker != nil {
		err = errors.Join(err, w.worker.Stop(ctx))
	}
	if w.router != nil {
		err = errors.Join(err, w.router.Stop(ctx))
	}
	if w.server != nil {
		w.server.Stop()
	}
	return err
}
