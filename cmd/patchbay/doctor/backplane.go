package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"patchbay/backplane"
)

// askTimeout is how long NATS, and what is behind it, may take to answer.
const askTimeout = 3 * time.Second

// Cluster is what a gateway with certain settings finds on NATS. maxPayload is its largest packet from a client, in bytes.
func Cluster(ctx context.Context, o backplane.Options, maxPayload int) []Finding {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	o.Name = "doctor"
	conn, err := backplane.Open(ctx, o)
	if err != nil {
		return []Finding{{
			Verdict: Wrong, What: "NATS", Found: err.Error(),
			Remedy: "patchbay nats --listen 127.0.0.1:4222, or --nats with the address of the one that there is",
		}}
	}
	defer conn.Close()
	info, err := conn.Server()
	if err != nil {
		return []Finding{{Verdict: Wrong, What: "NATS", Found: err.Error(), Remedy: "look at the NATS server's log"}}
	}
	return []Finding{server(info), payload(info, maxPayload), echo(ctx, conn), routers(ctx, conn)}
}

func server(info backplane.ServerInfo) Finding {
	f := Finding{What: "NATS", Found: fmt.Sprintf("%s, version %s, %v away", info.Name, info.Version, info.RTT.Round(time.Microsecond))}
	if info.Cluster == "" {
		f.Verdict, f.Found = Warning, f.Found+"; a server alone: with it the whole cluster stands still"
		f.Remedy = "three servers, as in deploy/nats"
		return f
	}
	f.Found += fmt.Sprintf("; cluster %s of %d", info.Cluster, info.Servers)
	return f
}

// headroom is what a gateway wants beyond a client's packet.
const headroom = 16 << 10

func payload(info backplane.ServerInfo, maxPayload int) Finding {
	f := Finding{What: "NATS max_payload", Found: fmt.Sprintf("%d bytes, for packets of %d", info.MaxPayload, maxPayload)}
	if int64(maxPayload+headroom) > info.MaxPayload {
		f.Verdict, f.Remedy = Wrong, fmt.Sprintf("max_payload: %d in NATS's configuration, or --max-payload %d", maxPayload+headroom, info.MaxPayload-headroom)
	}
	return f
}

// echo sees whether the credentials allow what a gateway does.
func echo(ctx context.Context, conn *backplane.Conn) Finding {
	f := Finding{What: "NATS permissions"}
	inbox := backplane.NewInbox(conn, 16)
	id := backplane.NewID('d')
	subject := conn.Node(id, "doctor", "")
	_, err := inbox.Subscribe(conn.NodeAll(id))
	if err == nil {
		err = conn.Publish(subject, []byte("x"))
	}
	if err == nil {
		select {
		case <-inbox.C:
			f.Found = "what is published comes back"
			return f
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	f.Verdict, f.Found, f.Remedy = Wrong, "what is published does not come back: "+err.Error(), "the user's permissions for a gateway, as in deploy/nats"
	return f
}

func routers(ctx context.Context, conn *backplane.Conn) Finding {
	f := Finding{What: "routers"}
	query, err := json.Marshal(backplane.Query{Op: backplane.QueryNodes})
	if err != nil {
		panic("doctor: a query that is not JSON: " + err.Error())
	}
	m, err := conn.Request(ctx, &backplane.Msg{Subject: conn.Query(), Data: query})
	var answer backplane.Answer
	if err == nil {
		err = json.Unmarshal(m.Data, &answer)
	}
	switch {
	case errors.Is(err, backplane.ErrNoResponders):
		f.Verdict, f.Found, f.Remedy = Wrong, "none: nobody can connect", "patchbay router, two of them"
	case err != nil:
		f.Verdict, f.Found, f.Remedy = Warning, "do not answer: "+err.Error(), "look at the routers' logs"
	default:
		f.Found = fmt.Sprintf("answer; they know %d gateways and %d workers", len(answer.Nodes), len(answer.Workers))
		if len(answer.Workers) == 0 {
			f.Verdict, f.Found = Warning, f.Found+": without workers nobody can connect"
			f.Remedy = "start your application"
		}
	}
	return f
}
