package tracing

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	pb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

const (
	// defaultEndpoint is where OTLP over HTTP goes by its specification.
	defaultEndpoint = "http://localhost:4318"
	// defaultTimeout is how long one batch may take, retries included.
	defaultTimeout = 10 * time.Second
	// firstPause is the time before the first retry; it doubles each time.
	firstPause = 500 * time.Millisecond
	// maxAnswer is how much of a collector's answer is read, in bytes.
	maxAnswer = 64 << 10
)

// client sends spans by OTLP over HTTP, in protobuf. It implements otlptrace.Client. OpenTelemetry's own would bring gRPC along, which
// is several megabytes of program that nobody calls.
type client struct {
	endpoint string
	shown    string // in logs: without a password
	header   http.Header
	timeout  time.Duration
	gzip     bool
	http     *http.Client
	pause    time.Duration
	life     context.Context // of uploads; ended by halt
	halt     context.CancelFunc
}

func newClient(v variables) (*client, error) {
	if protocol := v.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return nil, fmt.Errorf("%w: protocol %q; http/protobuf is spoken", ErrSetting, protocol)
	}
	c := &client{
		endpoint: v.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), header: http.Header{"Content-Type": {"application/x-protobuf"}},
		timeout: defaultTimeout, pause: firstPause,
	}
	if c.endpoint == "" {
		c.endpoint = strings.TrimSuffix(cmp.Or(v.get("OTEL_EXPORTER_OTLP_ENDPOINT"), defaultEndpoint), "/") + "/v1/traces"
	}
	u, err := url.Parse(c.endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%w: the endpoint is no http or https URL", ErrSetting) // it may have a password
	}
	c.shown = u.Redacted()
	if text := v.get("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"); text != "" {
		ms, err := strconv.ParseUint(text, 10, 31)
		if err != nil || ms == 0 {
			return nil, fmt.Errorf("%w: timeout %q is no number of milliseconds", ErrSetting, text)
		}
		c.timeout = time.Duration(ms) * time.Millisecond
	}
	switch text := v.get("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"); text {
	case "", "none":
	case "gzip":
		c.gzip = true
		c.header.Set("Content-Encoding", "gzip")
	default:
		return nil, fmt.Errorf("%w: compression %q; gzip or none can be", ErrSetting, text)
	}
	if err := c.setHeaders(v.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")); err != nil {
		return nil, err
	}
	roots, err := authorities(v.get("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"))
	if err != nil {
		return nil, err
	}
	c.life, c.halt = context.WithCancel(context.Background())
	c.http = &http.Client{CheckRedirect: stay, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true,
		MaxIdleConns: 1, IdleConnTimeout: time.Minute,
	}}
	return c, nil
}

// stay follows no redirection: headers may be secrets.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// setHeaders takes a list "name=value,…" whose values are URL-encoded. An error does not show them: they are secrets.
func (c *client) setHeaders(list string) error {
	for pair := range strings.SplitSeq(list, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if name == "" && !ok {
			continue
		}
		text, err := url.PathUnescape(strings.TrimSpace(value))
		if err != nil || !ok || strings.TrimSpace(name) == "" {
			return fmt.Errorf("%w: OTEL_EXPORTER_OTLP_HEADERS is not name=value,…", ErrSetting)
		}
		c.header.Set(strings.TrimSpace(name), text)
	}
	return nil
}

// authorities reads the certificates that a collector's must come from; none means the system's.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: certificate: %w", ErrSetting, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%w: no certificate in %s", ErrSetting, file)
	}
	return pool, nil
}

// Start implements otlptrace.Client.
func (c *client) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (c *client) Stop(context.Context) error { return nil }

// UploadTraces implements otlptrace.Client: it sends one batch, again if the collector is not there or asks for it, until the timeout.
func (c *client) UploadTraces(ctx context.Context, spans []*pb.ResourceSpans) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	// The request of the collector's service has the same form as this message.
	body, err := proto.Marshal(&pb.TracesData{ResourceSpans: spans})
	if err != nil {
		return err
	}
	if c.gzip {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write(body) // a buffer takes all
		_ = w.Close()
		body = b.Bytes()
	}
	for pause := c.pause; ; pause *= 2 {
		wait, err := c.send(ctx, body)
		if err == nil || wait < 0 {
			return err
		}
		timer := time.NewTimer(max(wait, pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// send sends a batch once. With an error it returns how long to wait at least before another try, negative if that is of no use.
func (c *client) send(ctx context.Context, body []byte) (time.Duration, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return -1, err
	}
	request.Header = c.header
	response, err := c.http.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	// What is not read costs the connection, nothing else.
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer))
	if response.StatusCode/100 == 2 {
		return 0, nil
	}
	err = fmt.Errorf("the collector answers %s", response.Status)
	if !retriable(response.StatusCode) {
		return -1, err
	}
	seconds, _ := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16) // a date, or none: the pause holds
	return time.Duration(seconds) * time.Second, err
}
