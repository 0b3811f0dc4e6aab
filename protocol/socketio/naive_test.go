package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The naive references: the same rules by way of regular expressions and
// encoding/json, to compare the real code with.

var packetPattern = regexp.MustCompile(`(?s)^(?:([0-4])|([56])([0-9]+)-)(?:(/[^,]*)(?:,|$))?([0-9]*)(.*)$`)

// naiveDecode tells whether data is a packet within the default limits, and
// which.
func naiveDecode(data []byte) (p Packet, ok bool) {
	m := packetPattern.FindSubmatch(data)
	if m == nil {
		return Packet{}, false
	}
	digit, _ := strconv.Atoi(string(m[1]) + string(m[2]))
	p = Packet{Type: PacketType(digit), Namespace: Root}
	if p.Type.Binary() {
		n, err := strconv.Atoi(string(m[3]))
		if err != nil || n > DefaultAttachments {
			return Packet{}, false
		}
		p.Attachments = n
	}
	if len(m[4]) > 0 {
		p.Namespace, p.Query, _ = strings.Cut(string(m[4]), "?")
		control := func(r rune) bool { return r < ' ' || r == 0x7f }
		if len(p.Namespace) > DefaultNamespaceLength || len(p.Query) > DefaultQueryLength ||
			!utf8.Valid(m[4]) || bytes.ContainsFunc(m[4], control) {
			return Packet{}, false
		}
	}
	if len(m[5]) > 0 {
		id, err := strconv.ParseUint(string(m[5]), 10, 64)
		if err != nil || len(m[5]) > DefaultAckIDDigits {
			return Packet{}, false
		}
		p.HasAck, p.AckID = true, id
	}
	if len(m[6]) > 0 {
		p.Payload = m[6]
		return p, !isSpace(m[6][0]) && naiveShape(p.Type, m[6]) && naiveJSON(m[6], DefaultDepth) == nil
	}
	return p, true
}

func naiveShape(t PacketType, payload []byte) bool {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	var value any
	if d.Decode(&value) != nil {
		return false
	}
	switch v := value.(type) {
	case map[string]any:
		return t == Connect || t == ConnectError
	case string:
		return t == ConnectError
	case []any:
		if t == Ack || t == BinaryAck {
			return true
		}
		if t != Event && t != BinaryEvent || len(v) == 0 {
			return false
		}
		name, isString := v[0].(string)
		_, isNumber := v[0].(json.Number)
		return isNumber || isString && !Reserved(name)
	}
	return false
}

// naiveJSON is checkJSON by way of encoding/json. Which rule comes first may
// differ, so only nil or not compares.
func naiveJSON(data []byte, maxDepth int) error {
	if !json.Valid(data) {
		return ErrJSON
	}
	if !utf8.Valid(data) {
		return ErrUTF8
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	depth := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return ErrJSON
		}
		switch token {
		case json.Delim('['), json.Delim('{'):
			if depth++; depth > maxDepth {
				return ErrDepth
			}
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
	}
}

// naivePlaceholders is CheckPlaceholders by way of tokens, which, unlike maps,
// show members that are overwritten.
func naivePlaceholders(payload []byte, attachments int) bool {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	_, ok := naiveValue(d, attachments)
	return ok
}

func naiveValue(d *json.Decoder, attachments int) (scalar json.Token, ok bool) {
	token, err := d.Token()
	if err != nil {
		return nil, false
	}
	delim, isDelim := token.(json.Delim)
	if !isDelim {
		return token, true
	}
	ok = true
	members := map[string]json.Token{}
	for d.More() {
		key := json.Token("")
		if delim == '{' {
			key, _ = d.Token()
		}
		value, valueOK := naiveValue(d, attachments)
		members[key.(string)] = value
		ok = ok && valueOK
	}
	if _, err := d.Token(); err != nil {
		return nil, false
	}
	if delim == '{' && members[placeholderKey] == true {
		number, _ := members[numKey].(json.Number)
		n, err := strconv.ParseUint(string(number), 10, 31)
		ok = ok && err == nil && int(n) < attachments
	}
	return delim, ok
}
