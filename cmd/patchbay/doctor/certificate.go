package doctor

import (
	"crypto/tls"
	"fmt"
	"time"
)

// soon is how long before its end a certificate should have been renewed.
const soon = 14 * 24 * time.Hour

// Certificate looks at the certificate of the public listener.
func Certificate(cert, key string, now time.Time) Finding {
	f := Finding{What: "certificate"}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		f.Verdict, f.Found, f.Remedy = Wrong, err.Error(), "--tls-cert and --tls-key, PEM files that belong together"
		return f
	}
	end := pair.Leaf.NotAfter
	f.Found = fmt.Sprintf("for %v, until %s", pair.Leaf.DNSNames, end.Format(time.DateOnly))
	switch {
	case !now.Before(end):
		f.Verdict = Wrong
	case now.Add(soon).After(end):
		f.Verdict = Warning
	default:
		return f
	}
	f.Remedy = "renew it, then: kill -HUP the gateways"
	return f
}
