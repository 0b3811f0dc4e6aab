package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"testing"
	"time"

	"patchbay/backplane"
)

// eachOption calls f with every option that has a name.
func eachOption(v reflect.Value, f func(field reflect.Value, tag reflect.StructTag)) {
	for i := range v.NumField() {
		switch field := v.Type().Field(i); {
		case field.Tag.Get("name") != "":
			f(v.Field(i), field.Tag)
		case field.Type.Kind() == reflect.Struct && field.Tag.Get("kong") != "-":
			eachOption(v.Field(i), f)
		}
	}
}

// Exactly those options that say so can change while the gateway runs.
func TestOptionsThatReload(t *testing.T) {
	base, err := Options{ID: "g1"}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	before, err := newLive(&base)
	if err != nil {
		t.Fatal(err)
	}
	changed := base
	seen := 0
	eachOption(reflect.ValueOf(&changed).Elem(), func(field reflect.Value, tag reflect.StructTag) {
		former := reflect.ValueOf(field.Interface())
		switch field.Kind() {
		case reflect.Int, reflect.Int64:
			field.SetInt(field.Int() + 77)
		case reflect.Float64:
			field.SetFloat(field.Float() + 0.5)
		case reflect.Bool:
			field.SetBool(!field.Bool())
		case reflect.String:
			field.SetString(map[string]string{"allow-origins": "https://a.example", "trusted-proxies": "10.0.0.0/8"}[tag.Get("name")] + field.String())
			if reflect.DeepEqual(field.Interface(), former.Interface()) {
				field.SetString("another")
			}
		case reflect.Slice:
			field.Set(reflect.ValueOf([]string{"X-Other"}))
		default:
			t.Fatalf("%s: a kind of option that this test does not know: %s", tag.Get("name"), field.Kind())
		}
		after, err := newLive(&changed)
		if err != nil {
			t.Fatalf("%s: %v", tag.Get("name"), err)
		}
		if reloads := tag.Get("reload") == "yes"; reloads == reflect.DeepEqual(before, after) {
			t.Errorf("%s: its tag says reload: %v; a change has the opposite effect", tag.Get("name"), reloads)
		}
		seen++
		field.Set(former)
	})
	if seen < 50 {
		t.Errorf("only %d options", seen)
	}
}

// Limits that change hold for clients that are here already, and those notice nothing else. What cannot be leaves all as it was.
func TestReconfigure(t *testing.T) {
	options := Options{LoopOptions: LoopOptions{Loops: 2}}
	r := newRig(t, func(o *Options) { o.Limits.Conns = 100 })
	c, id := r.join("")
	change := func(f func(*Options)) {
		t.Helper()
		f(&options)
		if err := r.gw.Reconfigure(t.Context(), options); err != nil {
			t.Fatal(err)
		}
	}
	join := func(room string) string {
		return r.app.control(id, backplane.Control{Op: backplane.OpJoin, Rooms: []string{room}}).Error
	}
	if got := join("one"); got != "" {
		t.Fatal(got)
	}
	change(func(o *Options) { o.Limits.Rooms, o.Limits.Conns = 1, 100 })
	if got := join("two"); got != errRooms.Error() {
		t.Errorf("a room too many: %q", got)
	}
	for name, bad := range map[string]func(o *Options){
		"a limit":    func(o *Options) { o.Limits.Rooms, o.Limits.Namespaces = 5, -1 },
		"an origin":  func(o *Options) { o.Limits.Rooms, o.HTTP.Origins = 5, "nowhere" },
		"over-rate?": func(o *Options) { o.Limits.Rooms, o.Rate.Over = 5, "shout" },
	} {
		wrong := options
		bad(&wrong)
		if err := r.gw.Reconfigure(t.Context(), wrong); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: %v", name, err)
		}
		if got := join("two"); got != errRooms.Error() {
			t.Errorf("%s: half of it is in force", name)
		}
	}
	change(func(o *Options) { o.Limits.Rooms, o.Limits.Namespaces = 0, 1 })
	if got := join("two"); got != "" {
		t.Errorf("the default again: %q", got)
	}
	c.Send("40/second")
	c.Expect(`44/second,{"message":*E_TOO_MANY_NAMESPACES*}`)
	change(func(o *Options) { o.HTTP.Origins = "https://good.example" })
	if a := r.browser().Do(http.MethodGet, "EIO=4&transport=polling", "", "Origin", "https://evil.example"); a.status != http.StatusForbidden {
		t.Errorf("another origin: %+v", a)
	}
	change(func(o *Options) { o.Rate.PerAddress = 1 })
	r.ws().net.Close() // the first is not counted: it came before there was a limit
	change(func(o *Options) { o.Rate.Events = 1 })
	for n := range 3 {
		c.Send(fmt.Sprintf(`42["n",%d]`, n))
	}
	change(func(o *Options) { o.Rate.Events = 0 }) // it waits for no more than it did
	for n := range 3 {
		r.app.expectEvent(fmt.Sprintf(`["n",%d]`, n))
	}
	change(func(o *Options) { o.Limits.ConnsPerAddress = 1 })
	r.raw()
	r.raw().ExpectEnd()
	c.Alive(r.app)
}

// A key file that is broken does not keep limits from changing, and is in the error.
func TestReconfigureHalf(t *testing.T) {
	guard := guarded(t)
	r := newRig(t, guard)
	var options Options
	guard(&options)
	options.Limits.Rooms, options.Loops = 7, 2
	if err := os.WriteFile(options.Auth.KeyFile, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.gw.Reconfigure(t.Context(), options); err == nil {
		t.Error("a bad key file was taken")
	}
	if got := r.gw.live().Rooms; got != 7 {
		t.Errorf("%d rooms", got)
	}
	r.ws().joinWith(tokenOf(t, "ada", "1", time.Hour))
}
