package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"patchbay/loadtest/process"
)

// Bounds of a start and a stop.
const (
	startTimeout = 30 * time.Second
	stopTimeout  = 10 * time.Second
)

// arrangement is a way to serve clients.
type arrangement struct {
	title    string
	rsa      bool // the certificate's key: RSA of 2,048 bits, or ECDSA on P-256
	tls      bool
	balancer bool // HAProxy ends TLS
}

func arrangements() []arrangement {
	return []arrangement{
		{title: "without TLS"},
		{title: "the gateway, ECDSA", tls: true},
		{title: "HAProxy, ECDSA", tls: true, balancer: true},
		{title: "the gateway, RSA", tls: true, rsa: true},
		{title: "HAProxy, RSA", tls: true, balancer: true, rsa: true},
	}
}

// site is an arrangement that runs.
type site struct {
	address   string
	config    *tls.Config // nil without TLS
	processes []*process.Process
	nats      *process.Process // not counted
	log       *os.File
}

// start starts the processes. What is started when something fails is stopped again.
func (a arrangement) start(ctx context.Context, s settings, dir string) (running *site, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	running = &site{}
	defer func() {
		if err != nil {
			err = errors.Join(err, running.stop())
		}
	}()
	if running.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return running, fmt.Errorf("make a log: %w", err)
	}
	free, err := process.FreeAddresses(4)
	if err != nil {
		return running, err
	}
	nats, listen, internal, front := free[0], free[1], free[2], free[3]
	program := filepath.Join(s.bin, "patchbay")
	if running.nats, err = process.Start(ctx, running.log, "", program, "nats", "--listen", nats); err != nil {
		return running, err
	}
	args := []string{"gateway", "--nats", "nats://" + nats, "--listen", listen, "--internal", internal, "--secret", "one of the measurement", "--connect-timeout", "1h", "--drain-timeout", "0"}
	running.address = listen
	if a.tls {
		if running.config, err = a.certify(dir); err != nil {
			return running, err
		}
	}
	if a.tls && !a.balancer {
		args = append(args, "--tls-cert", filepath.Join(dir, "cert.pem"), "--tls-key", filepath.Join(dir, "key.pem"))
	}
	gateway, err := process.Start(ctx, running.log, internal, program, args...)
	if err != nil {
		return running, err
	}
	running.processes = append(running.processes, gateway)
	if a.balancer {
		running.address = front
		return running, running.balance(ctx, dir, front, listen)
	}
	return running, nil
}

// haproxy is a configuration with what deploy/haproxy has for these connections: addresses of itself and of the gateway, and the
// file of certificate and key.
const haproxy = `global
  maxconn 8000
defaults
  mode http
  timeout connect 5s
  timeout http-request 10s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
frontend clients
  bind %s ssl crt %s
  http-request set-header X-Forwarded-For %%[src]
  default_backend gateways
backend gateways
  server gateway %s
`

// balance starts HAProxy, and waits until it accepts.
func (running *site) balance(ctx context.Context, dir, front, gateway string) error {
	config := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(config, fmt.Appendf(nil, haproxy, front, filepath.Join(dir, "both.pem"), gateway), 0o600); err != nil {
		return fmt.Errorf("configure HAProxy: %w", err)
	}
	p, err := process.Start(ctx, running.log, "", "haproxy", "-db", "-f", config) // -db: one process, in the foreground
	if err != nil {
		return err
	}
	running.processes = append(running.processes, p)
	for {
		c, err := net.DialTimeout("tcp", front, time.Second)
		if err == nil {
			return c.Close()
		}
		if p.Ended() {
			return fmt.Errorf("%w: HAProxy has ended", process.ErrNotReady)
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// usage sums what the processes have used.
func (running *site) usage() (sum process.Usage, err error) {
	for _, p := range running.processes {
		u, usageErr := p.Usage()
		err = errors.Join(err, usageErr)
		sum.CPU += u.CPU
		sum.Resident += u.Resident
	}
	return sum, err
}

// stop ends the processes, last started first.
func (running *site) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	for i := len(running.processes) - 1; i >= 0; i-- {
		// The error is that of a process that was told to end.
		_ = running.processes[i].Stop(ctx)
	}
	if running.nats != nil {
		_ = running.nats.Stop(ctx)
	}
	if running.log == nil {
		return nil
	}
	return running.log.Close()
}

// certify writes a certificate for 127.0.0.1 and its key, apart and in one file, and returns what trusts it.
func (a arrangement) certify(dir string) (*tls.Config, error) {
	cert, key, err := a.makeCertificate()
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	for name, text := range map[string][]byte{"cert.pem": cert, "key.pem": key, "both.pem": append(append([]byte(nil), cert...), key...)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, fmt.Errorf("write a certificate: %w", err)
		}
	}
	return &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}, nil
}

func (a arrangement) makeCertificate() (cert, key []byte, err error) {
	var private, public any
	if a.rsa {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, nil, err
		}
		private, public = k, k.Public()
	} else {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		private, public = k, k.Public()
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "patchbay"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), nil
}
