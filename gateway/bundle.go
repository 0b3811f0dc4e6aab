package gateway

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"

	"go.uber.org/zap"
)

// bundleName is what the reference serves beside its endpoint: the client's bundles and their maps.
var bundleName = regexp.MustCompile(`^socket\.io(\.msgpack|\.esm)?(\.min)?\.js(\.map)?$`)

// bundles serves the stock client from where npm installed it, as Socket.IO's serveClient does.
type bundles struct {
	dir string
	log *zap.Logger
}

// serve answers with a bundle, or says plainly that there is none.
func (b *bundles) serve(rw http.ResponseWriter, r *http.Request, name string) {
	if !bundleName.MatchString(name) {
		http.NotFound(rw, r)
		return
	}
	file, err := os.Open(filepath.Join(b.dir, name))
	if err != nil {
		b.log.Debug("client bundle missing", zap.String("dir", b.dir), zap.String("name", name))
		http.Error(rw, "The Socket.IO client bundle "+name+" is not installed on this gateway. "+
			"Run `npm ci`, or point --client-dir at the dist directory of socket.io-client.", http.StatusNotFound)
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		http.Error(rw, "cannot read the bundle", http.StatusInternalServerError)
		return
	}
	if filepath.Ext(name) == ".map" {
		rw.Header().Set("Content-Type", "application/json")
	}
	rw.Header().Set("Cache-Control", "public, max-age=0")
	http.ServeContent(rw, r, name, info.ModTime(), file)
}
