// Command exporter stands in for prometheus-nats-exporter where its image cannot be had: it translates what NATS servers tell at
// /varz into the few metrics that Patchbay's alerts and dashboard use, under the exporter's names.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"
)

// figures are those of a server's /varz.
type figures struct {
	Name          string `json:"server_name"`
	Connections   int64  `json:"connections"`
	Subscriptions int64  `json:"subscriptions"`
	Routes        int64  `json:"routes"`
	SlowConsumers int64  `json:"slow_consumers"`
	InMsgs        int64  `json:"in_msgs"`
	OutMsgs       int64  `json:"out_msgs"`
	InBytes       int64  `json:"in_bytes"`
	OutBytes      int64  `json:"out_bytes"`
}

func main() {
	var servers []string
	for _, argument := range os.Args[1:] {
		if strings.HasPrefix(argument, "http") {
			servers = append(servers, argument)
		}
	}
	client := http.Client{Timeout: 3 * time.Second}
	http.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		for _, server := range servers {
			f, err := ask(&client, server)
			if err != nil {
				log.Print(err)
				continue
			}
			for name, value := range map[string]int64{
				"connections": f.Connections, "subscriptions": f.Subscriptions, "routes": f.Routes, "slow_consumers": f.SlowConsumers,
				"in_msgs": f.InMsgs, "out_msgs": f.OutMsgs, "in_bytes": f.InBytes, "out_bytes": f.OutBytes,
			} {
				if _, err := fmt.Fprintf(w, "gnatsd_varz_%s{server_id=%q} %d\n", name, server, value); err != nil {
					return
				}
			}
		}
	})
	log.Fatal(http.ListenAndServe(":7777", nil))
}

func ask(client *http.Client, server string) (f figures, err error) {
	response, err := client.Get(server + "/varz")
	if err != nil {
		return f, err
	}
	defer func() { _ = response.Body.Close() }()
	return f, json.NewDecoder(response.Body).Decode(&f)
}
