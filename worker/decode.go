package worker

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// jsonOptions give encoding/json's semantics, less its escaping for HTML: clients of Socket.IO
// do not put packets into pages. The value is immutable.
var jsonOptions = json.JoinOptions(
	jsonv1.DefaultOptionsV1(),
	jsonv1.ReportErrorsWithLegacySemantics(false), // the newer errors say where
	jsontext.EscapeForHTML(false),
	jsontext.EscapeForJS(false),
)

// decode decodes a text whose placeholders stand for attachments.
func decode(text []byte, attachments [][]byte, v any) error {
	if len(attachments) == 0 {
		return json.Unmarshal(text, v, jsonOptions)
	}
	d := binaryDecoder{attachments}
	return json.Unmarshal(text, v, jsonOptions, json.WithUnmarshalers(json.JoinUnmarshalers(
		json.UnmarshalFromFunc(d.bytes),
		json.UnmarshalFromFunc(d.any),
		json.UnmarshalFromFunc(d.arg),
	)))
}

// binaryDecoder decodes where placeholders may be.
type binaryDecoder struct{ attachments [][]byte }

// bytes decodes a []byte: a placeholder's attachment, or base64 text as in encoding/json.
func (d binaryDecoder) bytes(dec *jsontext.Decoder, v *[]byte) error {
	if dec.PeekKind() != '{' {
		return errors.ErrUnsupported // not ours: the default applies
	}
	text, err := dec.ReadValue()
	if err != nil {
		return err
	}
	var p struct {
		Placeholder bool `json:"_placeholder"`
		Num         *int `json:"num"`
	}
	if err := json.Unmarshal(text, &p, jsonOptions); err != nil {
		return err
	}
	if !p.Placeholder || p.Num == nil || *p.Num < 0 || *p.Num >= len(d.attachments) {
		return ErrPlaceholder
	}
	*v = d.attachments[*p.Num]
	return nil
}

// any decodes into an interface. The whole value is decoded first and placeholders are put right
// after, so that the work does not grow with the depth.
func (d binaryDecoder) any(dec *jsontext.Decoder, v *any) error {
	text, err := dec.ReadValue()
	if err != nil {
		return err
	}
	var tree any
	if err := json.Unmarshal(text, &tree, jsonOptions); err != nil {
		return err
	}
	*v, err = d.restore(tree)
	return err
}

func (d binaryDecoder) arg(dec *jsontext.Decoder, v *Arg) error {
	text, err := dec.ReadValue()
	if err != nil {
		return err
	}
	*v = Arg{raw: bytes.Clone(text), attachments: d.attachments}
	return nil
}

// restore replaces the placeholders in a decoded value by their attachments.
func (d binaryDecoder) restore(tree any) (any, error) {
	var err error
	switch t := tree.(type) {
	case []any:
		for i := range t {
			if t[i], err = d.restore(t[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		if t["_placeholder"] == true {
			num, ok := t["num"].(float64)
			if !ok || num != float64(int(num)) || num < 0 || int(num) >= len(d.attachments) {
				return nil, ErrPlaceholder
			}
			return d.attachments[int(num)], nil
		}
		for key := range t {
			if t[key], err = d.restore(t[key]); err != nil {
				return nil, err
			}
		}
	}
	return tree, nil
}

// placeholders calls visit with the place of each placeholder's number in a JSON text.
func placeholders(text []byte, visit func(start, end, num int) error) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(text), jsonOptions)
	return walkPlaceholders(dec, visit)
}

func walkPlaceholders(dec *jsontext.Decoder, visit func(start, end, num int) error) error {
	switch dec.PeekKind() {
	case '[':
		if _, err := dec.ReadToken(); err != nil {
			return err
		}
		for kind := dec.PeekKind(); kind != ']'; kind = dec.PeekKind() {
			if err := walkPlaceholders(dec, visit); err != nil {
				return err
			}
		}
		_, err := dec.ReadToken()
		return err
	case '{':
		return walkObject(dec, visit)
	}
	return dec.SkipValue()
}

// walkObject judges an object at its end, when the last value of each key is known.
func walkObject(dec *jsontext.Decoder, visit func(start, end, num int) error) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	marked, num, start, end := false, -1, 0, 0
	for dec.PeekKind() != '}' {
		key, err := dec.ReadToken()
		if err != nil {
			return err
		}
		name, kind := key.String(), dec.PeekKind()
		switch {
		case name == "_placeholder" && kind != '{' && kind != '[':
			marked = kind == 't'
			err = dec.SkipValue()
		case name == "num" && kind == '0':
			var value jsontext.Value
			value, err = dec.ReadValue()
			end = int(dec.InputOffset())
			start = end - len(value)
			if num, _ = strconv.Atoi(string(value)); strconv.Itoa(num) != string(value) {
				num = -1
			}
		default:
			err = walkPlaceholders(dec, visit)
		}
		if err != nil {
			return err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	if !marked {
		return nil
	}
	if num < 0 {
		return ErrPlaceholder
	}
	return visit(start, end, num)
}
