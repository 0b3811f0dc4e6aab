package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"go.uber.org/zap"
)

// Bounds of fetching keys.
const (
	fetchTimeout = 10 * time.Second
	maxSetBytes  = 1 << 20         // stops a key server that is broken or not ours
	fetchPause   = 5 * time.Second // between fetches, whatever tokens name: unknown keys must not become a flood
)

// Keys keep a verifier's keys up to date: from a file, read at the start and on Reload, and from a JWK set, fetched at the start,
// regularly, and when a token names a key that is not there. A set that cannot be fetched leaves the last one in force.
type Keys struct {
	options  Options
	verifier *Verifier
	log      *zap.Logger
	client   *http.Client
	file     *KeySet
	fetched  *KeySet
	changed  func()
	wanted   chan struct{}
	reload   chan chan error
}

// NewKeys reads the key file. Its errors are those of the file; that a JWK set cannot be fetched yet is none. Run must be called;
// it calls changed, unless that is nil, after each fetch that brought keys.
func NewKeys(o Options, v *Verifier, log *zap.Logger, changed func()) (*Keys, error) {
	k := &Keys{
		options: o.WithDefaults(), verifier: v, log: log, changed: changed, client: &http.Client{Timeout: fetchTimeout},
		wanted: make(chan struct{}, 1), reload: make(chan chan error),
	}
	if err := k.read(); err != nil {
		return nil, err
	}
	return k, nil
}

// Want asks for the set to be fetched soon: a token named a key that is not there. It never waits.
func (k *Keys) Want() {
	select {
	case k.wanted <- struct{}{}:
	default:
	}
}

// Reload reads the key file again, and has the set fetched. Its errors are those of the file, whose former keys then stay.
func (k *Keys) Reload(ctx context.Context) error {
	k.Want()
	answer := make(chan error, 1)
	select {
	case k.reload <- answer:
		return <-answer
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run keeps the keys up to date until ctx ends.
func (k *Keys) Run(ctx context.Context) {
	refresh := time.NewTimer(0)
	defer refresh.Stop()
	rest := time.NewTimer(0)
	defer rest.Stop()
	pause := min(fetchPause, k.options.Refresh)
	wanted := k.wanted // nil while it is too early to fetch again
	for {
		select {
		case <-ctx.Done():
			return
		case answer := <-k.reload:
			answer <- k.read()
			continue
		case <-rest.C:
			wanted = k.wanted
			continue
		case <-wanted:
		case <-refresh.C:
		}
		if k.options.KeyURL == "" {
			continue
		}
		next := k.options.Refresh
		if !k.fetch(ctx) {
			next = pause
		}
		wanted = nil
		rest.Reset(pause)
		refresh.Reset(next)
	}
}

func (k *Keys) read() error {
	if k.options.KeyFile == "" {
		return nil
	}
	data, err := os.ReadFile(k.options.KeyFile)
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	set, err := ParseKeys(data)
	if err != nil {
		return fmt.Errorf("read keys of %s: %w", k.options.KeyFile, err)
	}
	k.file = set
	k.verifier.SetKeys(k.file.join(k.fetched))
	return nil
}

// fetch reports whether it brought keys.
func (k *Keys) fetch(ctx context.Context) bool {
	set, err := k.get(ctx)
	if err != nil {
		k.log.Warn("cannot fetch the JWK set; the last one stays in force", zap.String("url", k.options.KeyURL), zap.Error(err))
		return false
	}
	k.fetched = set
	k.verifier.SetKeys(k.file.join(k.fetched))
	if k.changed != nil {
		k.changed()
	}
	return true
}

func (k *Keys) get(ctx context.Context) (*KeySet, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.options.KeyURL, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	response, err := k.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch keys: %w: status %s", errFetch, response.Status)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxSetBytes))
	if err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	return ParseKeys(data)
}

var errFetch = errors.New("auth: the key server does not give the set")
