package gateway

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/textproto"
	"strings"
)

// door decides by a request's headers whether it is let in, and says where it comes from. It does not change once it is made,
// and is safe for concurrent use.
type door struct {
	origins []origin // none: all
	headers []wantedHeader
	trusted []netip.Prefix // proxies whose word is taken
}

// origin is one that browsers may connect from: a scheme, and a host that is exact, or the end of one.
type origin struct {
	scheme string // with "://"
	host   string // with the port, if there is one; of any subdomain, it begins with a dot
}

// wantedHeader is one that a request must have.
type wantedHeader struct {
	name  string
	value string // empty: any
}

// newDoor reads the options. Its errors are ErrOptions.
func newDoor(o *HTTPOptions) (*door, error) {
	d := &door{}
	for _, text := range list(o.Origins) {
		scheme, host, ok := strings.Cut(strings.ToLower(text), "://")
		if !ok || scheme == "" || host == "" || strings.ContainsAny(host, "/?#@") || strings.Contains(strings.TrimPrefix(host, "*."), "*") {
			return nil, fmt.Errorf("%w: %q is not an origin, such as https://example.com or https://*.example.com", ErrOptions, text)
		}
		d.origins = append(d.origins, origin{scheme: scheme + "://", host: strings.TrimPrefix(host, "*")})
	}
	for _, text := range o.RequireHeaders {
		name, value, _ := strings.Cut(text, ":")
		if name = textproto.TrimString(name); name == "" {
			return nil, fmt.Errorf("%w: %q is not a header", ErrOptions, text)
		}
		d.headers = append(d.headers, wantedHeader{name: textproto.CanonicalMIMEHeaderKey(name), value: textproto.TrimString(value)})
	}
	for _, text := range list(o.TrustedProxies) {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			address, addressErr := netip.ParseAddr(text)
			if addressErr != nil {
				return nil, fmt.Errorf("%w: %w", ErrOptions, err)
			}
			network = netip.PrefixFrom(address, address.BitLen())
		}
		d.trusted = append(d.trusted, network.Masked())
	}
	return d, nil
}

// list splits a comma-separated option.
func list(text string) []string {
	var all []string
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one != "" {
			all = append(all, one)
		}
	}
	return all
}

// admits reports whether a request is let in. Browsers say where a page comes from; other clients need not, and are held back by
// required headers or tokens.
func (d *door) admits(h http.Header) bool {
	if len(d.origins) > 0 {
		if from := h.Get("Origin"); from != "" && !d.allows(from) {
			return false
		}
	}
	for _, wanted := range d.headers {
		values := h[wanted.name]
		if len(values) == 0 || wanted.value != "" && values[0] != wanted.value {
			return false
		}
	}
	return true
}

func (d *door) allows(from string) bool {
	from = strings.ToLower(from)
	for i := range d.origins {
		o := &d.origins[i]
		host, ok := strings.CutPrefix(from, o.scheme)
		if ok && (host == o.host || o.host[0] == '.' && strings.HasSuffix(host, o.host)) {
			return true
		}
	}
	return false
}

// trusts reports whether a peer is a proxy whose word is taken.
func (d *door) trusts(peer netip.Addr) bool {
	peer = peer.Unmap()
	for _, network := range d.trusted {
		if network.Contains(peer) {
			return true
		}
	}
	return false
}

// source says where a request comes from, and whether by TLS: the peer's word, or if that is a trusted proxy what it says. Of a chain
// of proxies the last that is not trusted counts: what is before it anybody may have written.
func (d *door) source(peer string, secure bool, h http.Header) (string, bool) {
	address, err := netip.ParseAddr(peer)
	if err != nil || !d.trusts(address) {
		return peer, secure
	}
	if proto := h.Get("X-Forwarded-Proto"); proto != "" {
		secure = strings.EqualFold(proto, "https") || strings.EqualFold(proto, "wss")
	}
	chain := strings.Split(strings.Join(h["X-Forwarded-For"], ","), ",")
	for i := len(chain) - 1; i >= 0; i-- {
		before, err := netip.ParseAddr(strings.TrimSpace(chain[i]))
		if err != nil {
			break
		}
		if peer = before.Unmap().String(); !d.trusts(before) {
			break
		}
	}
	return peer, secure
}
