// Package dashboard holds the dashboard of deploy/grafana against Grafana's own types.
package dashboard
