package backplane

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
)

// Role is what a connection is to the cluster. deploy/nats has a user for each, with the permissions that it needs.
type Role string

// The roles of Patchbay's own parts.
const (
	RoleGateway Role = "gateway"
	RoleRouter  Role = "router"
	RoleWorker  Role = "worker"
	// RoleOperator is people's who look on and change nothing.
	RoleOperator Role = "operator"
)

// ErrLogin reports credentials for NATS that contradict each other or cannot be read.
var ErrLogin = errors.New("backplane: login")

// Login says who one is to NATS. The zero value is nobody, whom a server without users lets in. At most one of user, credentials
// and nkey may be given; user and password may also stand in the URL.
type Login struct {
	User         string `name:"user" help:"NATS user."`
	Password     string `name:"password" help:"The user's password. Better in the environment or in a file than on the command line, which others can read."`
	PasswordFile string `name:"password-file" type:"path" placeholder:"FILE" help:"File with the user's password, read at each connection."`
	Credentials  string `name:"credentials" aliases:"nats-creds" type:"path" placeholder:"FILE" help:"NATS credentials file (JWT and seed)."`
	NKey         string `name:"nkey" type:"path" placeholder:"FILE" help:"File with the seed of a NATS nkey."`
}

func (l *Login) settings() ([]nats.Option, error) {
	ways := 0
	for _, way := range []string{l.User, l.Credentials, l.NKey} {
		if way != "" {
			ways++
		}
	}
	switch {
	case ways > 1:
		return nil, fmt.Errorf("%w: give one of user, credentials and nkey", ErrLogin)
	case l.User == "" && (l.Password != "" || l.PasswordFile != ""):
		return nil, fmt.Errorf("%w: a password without a user", ErrLogin)
	case l.Password != "" && l.PasswordFile != "":
		return nil, fmt.Errorf("%w: give the password or its file, not both", ErrLogin)
	case l.Credentials != "":
		return []nats.Option{nats.UserCredentials(l.Credentials)}, nil
	case l.NKey != "":
		option, err := nats.NkeyOptionFromSeed(l.NKey)
		if err != nil {
			return nil, fmt.Errorf("%w: read nkey: %w", ErrLogin, err)
		}
		return []nats.Option{option}, nil
	case l.PasswordFile != "":
		if _, err := os.ReadFile(l.PasswordFile); err != nil {
			return nil, fmt.Errorf("%w: read password: %w", ErrLogin, err)
		}
		return []nats.Option{nats.UserInfoHandler(l.fromFile)}, nil
	case l.User != "":
		return []nats.Option{nats.UserInfo(l.User, l.Password)}, nil
	}
	return nil, nil
}

// fromFile reads the password anew at each connection, so that it can be changed without a restart. Without the file
// NATS refuses, and the connection is tried again.
func (l *Login) fromFile() (user, password string) {
	text, err := os.ReadFile(l.PasswordFile)
	if err != nil {
		return l.User, ""
	}
	return l.User, strings.TrimRight(string(text), "\r\n")
}

// TLS says whom to trust on the way to NATS, and how to be trusted. The zero value is TLS with the system's authorities if the
// server or a tls:// URL asks for it, and none otherwise.
type TLS struct {
	CA   string `name:"ca" type:"path" placeholder:"FILE" help:"PEM file of the authorities to trust for NATS over TLS."`
	Cert string `name:"cert" type:"path" placeholder:"FILE" help:"PEM file of the certificate to show to NATS."`
	Key  string `name:"key" type:"path" placeholder:"FILE" help:"PEM file of the certificate's key."`
}

func (t *TLS) settings() []nats.Option {
	var settings []nats.Option
	if t.CA != "" {
		settings = append(settings, nats.RootCAs(t.CA))
	}
	if t.Cert != "" || t.Key != "" {
		settings = append(settings, nats.ClientCert(t.Cert, t.Key))
	}
	return settings
}

// redact takes the passwords out of a comma-separated list of URLs.
func redact(urls string) string {
	list := strings.Split(urls, ",")
	for i, one := range list {
		u, err := url.Parse(strings.TrimSpace(one))
		switch {
		case err != nil:
			list[i] = "(an unreadable URL)"
		case u.User != nil:
			u.User = url.User("xxxxx") // a name alone may be a token
			list[i] = u.String()
		}
	}
	return strings.Join(list, ",")
}
