package main

import (
	"context"

	"github.com/alecthomas/kong"
	"go.uber.org/zap"

	"patchbay/internal/ops"
)

const description = `Socket.IO at cluster scale: gateways hold the clients, routers know who is where, workers run your application.

Every flag can be set in the environment too, as PATCHBAY_ and its name in capitals (PATCHBAY_PING_INTERVAL), and by its name
in a YAML file. A flag beats the environment, the environment beats the file. Durations are written as 500ms, 20s or 1h30m.

Exit codes: 0 when all went well, 1 when it did not or the command line is wrong, and 3 when a load test missed an objective of --slo.`

// cli is the command line.
type cli struct {
	Config   string           `name:"config" type:"path" placeholder:"FILE" help:"Settings file: YAML, its keys the names of flags, alone or under the name of a subcommand."`
	Version  kong.VersionFlag `name:"version" help:"Print the version and leave."`
	LogLevel string           `name:"log-level" default:"info" enum:"debug,info,warn,error" help:"Least level to log: ${enum}." reload:"yes"`

	Demo     demoCommand    `cmd:"" help:"Run everything in this one process, with a chat page to look at."`
	Gateway  gatewayCommand `cmd:"" help:"Run a gateway: it holds the clients' connections."`
	Router   routerCommand  `cmd:"" help:"Run a router: it knows who is where. Run two of them."`
	NATS     natsCommand    `cmd:"" name:"nats" help:"Run a NATS server, or one of a cluster, for the others to meet at."`
	Settings configCommand  `cmd:"" name:"config" help:"Print defaults, or check a settings file."`
	Doctor   doctorCommand  `cmd:"" help:"Look for what keeps a gateway from running well here, and say what mends it."`
	Tap      tapCommand     `cmd:"" help:"Show what passes: a namespace, a room or a socket, live."`
	Revoke   revokeCommand  `cmd:"" help:"Take back a token, all of a user's, or a socket, on every gateway."`
	Load     loadCommand    `cmd:"" help:"Put a Socket.IO server under load, and audit what it delivers."`

	Completion completionCommand `cmd:"" help:"Print the script that completes patchbay's command line in a shell."`
	Man        manCommand        `cmd:"" help:"Print the manual page: all that --help says, for man."`
	Build      versionCommand    `cmd:"" name:"version" help:"Print the version."`
}

// command is a parsed command line, ready to run.
type command func(context.Context, *zap.Logger, *again) error

func (c *cli) parse(args []string) (command, error) {
	parsed, err := c.read(args)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, log *zap.Logger, a *again) error {
		parsed.BindTo(ctx, (*context.Context)(nil))
		a.log, a.start, a.last = log, values(parsed), values(parsed)
		return parsed.Run(log, a)
	}, nil
}

// read reads a command line, the environment and the settings file into c.
func (c *cli) read(args []string) (*kong.Context, error) {
	parser, err := c.parser()
	if err != nil {
		return nil, err
	}
	return parser.Parse(args)
}

// parser knows the commands, their flags and arguments, and writes into c.
func (c *cli) parser() (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("patchbay"),
		kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: helpWidth, NoExpandSubcommands: true, ValueFormatter: helpOf}),
		loadVariables(),
		kong.PostBuild(ops.NameEnvironment),
		kong.PostBuild(demoDefaults),
		kong.PostBuild(groupFlags),
		kong.Vars{"version": ops.Version("patchbay")},
	)
}

// BeforeResolve adds, in rising order of precedence, what may set a flag that is not on the
// command line. kong calls it.
func (c *cli) BeforeResolve(parsed *kong.Context) error {
	parsed.AddResolver(kong.ResolverFunc(resolveLoad))
	for _, flag := range parsed.Model.Flags {
		if flag.Name != "config" {
			continue
		}
		if path, _ := parsed.FlagValue(flag).(string); path != "" {
			file, err := readSettings(path)
			if err != nil {
				return err
			}
			parsed.AddResolver(file)
		}
	}
	parsed.AddResolver(kong.ResolverFunc(resolvePort))
	return nil
}
