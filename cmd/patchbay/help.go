package main

// What --help and the manual page say of each command, beside its flags. A test parses the examples.

// signals is what all servers do.
const signals = `
Signals: SIGTERM and SIGINT stop it cleanly, a second one at once; SIGHUP reads the settings again, and puts
those into force that can change in a running process (those of which the help says so).

Internal listener: /metrics for Prometheus, /healthz (alive), /readyz (clients may come), /reload and /debug/pprof/.
`

// Help is the detail of --help. kong calls it.
func (demoCommand) Help() string {
	return `NATS, a router, a gateway and the chat worker in one process, to try things out. It takes the gateway's flags;
those that say where NATS is have no effect.

Examples:

	patchbay demo
	patchbay demo --listen :3000 --client-dir node_modules/socket.io-client/dist
` + signals
}

// Help is the detail of --help. kong calls it.
func (gatewayCommand) Help() string {
	return `A gateway speaks Socket.IO with clients and NATS with routers and workers. Run as many as the clients need,
behind any balancer, with the same --secret; requests of one session may meet any of them.

Examples:

	patchbay gateway --nats nats://10.0.0.1:4222,nats://10.0.0.2:4222 --secret "$SECRET"
	patchbay gateway --config patchbay.yaml --listen :8443 --tls-cert cert.pem --tls-key key.pem
	patchbay gateway --allow-origins https://example.com --cors-origin https://example.com --max-conns 50000
	patchbay gateway --embed-nats --embed-cluster 10.0.0.1:6222 --embed-routes nats://10.0.0.1:6222,nats://10.0.0.2:6222 --secret "$SECRET"

PORT sets the port of the public listener, and NATS_URL is where NATS is, unless PATCHBAY_LISTEN and PATCHBAY_NATS are set.

On SIGTERM it turns unready, lets its clients go to the other gateways at the pace of the flags under "Draining", and ends.
` + signals
}

// Help is the detail of --help. kong calls it.
func (routerCommand) Help() string {
	return `Routers keep who is where, let clients in, and notice when a gateway or a worker has died. Each knows all; run two
or more, and any may be restarted at any time.

Example:

	patchbay router --nats nats://10.0.0.1:4222
` + signals
}

// Help is the detail of --help. kong calls it.
func (natsCommand) Help() string {
	return `The server of nats.io, as a part of this program. One of your own does as well.

Examples:

	patchbay nats --listen 127.0.0.1:4222
	patchbay nats --listen :4222 --cluster :6222 --routes nats://10.0.0.2:6222,nats://10.0.0.3:6222
	patchbay nats --server-config nats.conf --internal 127.0.0.1:9401

A server that is told to stop sends its clients to the other servers of its cluster first.

Signals: SIGTERM and SIGINT stop it cleanly, a second one at once.
`
}

// Help is the detail of --help. kong calls it.
func (defaultsCommand) Help() string {
	return `Examples:

	patchbay config defaults
	patchbay config defaults gateway
`
}

// Help is the detail of --help. kong calls it.
func (checkCommand) Help() string {
	return `Keys that no flag has are faults, and so are values that a flag would refuse. The exit code is 1 if there is one.

Example:

	patchbay config check patchbay.yaml
`
}

// Help is the detail of --help. kong calls it.
func (doctorCommand) Help() string {
	return `It takes the gateway's flags, so that it can look with the gateway's eyes: run it on the same machine, with the same
settings. The exit code is 1 if something is wrong.

Examples:

	patchbay doctor
	patchbay doctor --config patchbay.yaml
`
}

// Help is the detail of --help. kong calls it.
func (tapCommand) Help() string {
	return `One line a message, on standard output. It listens as any NATS client could, and changes nothing.

Examples:

	patchbay tap --room lobby
	patchbay tap --namespace /chat --user alice --redact
	patchbay tap --socket "$ID" --count 100 --for 1m
`
}

// Help is the detail of --help. kong calls it.
func (revokeCommand) Help() string {
	return `The sockets end within a second, and the token is refused from then on. It is for gateways that check tokens (--auth-…).

Examples:

	patchbay revoke --user alice
	patchbay revoke --token 6f1c --for 24h
`
}

// Help is the detail of --help. kong calls it.
func (loadScenario) Help() string {
	return `It works against any Socket.IO server with the three events of docs/load.md. The exit code is 3 if an objective of
--slo is missed, 1 if the run itself failed or was interrupted.

Examples:

	patchbay load fanout --clients 2000 --url http://127.0.0.1:8081
	patchbay load echo --rate 1000 --slo 'p99<50ms,lost=0' --json report.json
	patchbay load jitter --clients 500 --duration 30s --html report.html
`
}

// Help is the detail of --help. kong calls it.
func (compareCommand) Help() string {
	return `Example:

	patchbay load compare before.json after.json --html comparison.html
`
}

// Help is the detail of --help. kong calls it.
func (completionCommand) Help() string {
	return `Flags, commands, values and file names are completed. The script asks the program itself, so it need not be made anew
when the program changes.

Examples, to type for one shell or to put into its start file for all:

	source <(patchbay completion bash)
	source <(patchbay completion zsh)
	patchbay completion fish | source

In zsh, compinit has to have run.
`
}

// Help is the detail of --help. kong calls it.
func (manCommand) Help() string {
	return `Examples:

	patchbay man | man -l -
	patchbay man > /usr/local/share/man/man1/patchbay.1
`
}

// Help is the detail of --help. kong calls it.
func (versionCommand) Help() string {
	return `The release or, if there is none, the revision; the toolchain, and the platform. --version prints the same.

Example:

	patchbay version
`
}
