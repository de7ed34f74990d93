package main

import (
	"strings"
	"testing"
)

func TestPeers(t *testing.T) {
	for _, test := range []struct{ text, want, err string }{
		{text: "3=c:7000,1=a:7000,2=b:7000", want: "1=a:7000,2=b:7000,3=c:7000"},
		{text: "1=[::1]:7000, 2=[::1]:7001, 65535=[::1]:7002", want: "1=[::1]:7000,2=[::1]:7001,65535=[::1]:7002"},
		{text: "1=127.0.0.1:7000", want: "1=127.0.0.1:7000"},
		{text: "", err: "form ID=HOST:PORT"},
		{text: "a:7000", err: "form ID=HOST:PORT"},
		{text: "1=a", err: "form ID=HOST:PORT"},
		{text: "1=:7000", err: "form ID=HOST:PORT"},
		{text: "0=a:7000", err: "from 1 to 65535"},
		{text: "65536=a:7000", err: "from 1 to 65535"},
		{text: "-1=a:7000", err: "from 1 to 65535"},
		{text: "1=a:0", err: "a port is a number"},
		{text: "1=a:http", err: "a port is a number"},
		{text: "1=a:65536", err: "a port is a number"},
		{text: "1=a:7000,1=b:7000,2=c:7000", err: "replica 1 is there twice"},
		{text: "1=a:7000,2=a:7000,3=c:7000", err: "replicas 1 and 2 have the same address a:7000"},
		{text: "1=a:7000,2=b:7000", err: "a group of 2 replicas can never bring one back"},
		{text: "1=a:1,2=a:2,3=a:3,4=a:4,5=a:5,6=a:6,7=a:7,8=a:8,9=a:9,10=a:10", err: "more than a group can have"},
	} {
		var p peers
		err := p.Set(test.text)
		switch {
		case test.err == "" && err != nil:
			t.Errorf("%q: %v", test.text, err)
		case test.err == "" && p.String() != test.want:
			t.Errorf("%q: got %q, want %q", test.text, p.String(), test.want)
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%q: got the error %v, want %q", test.text, err, test.err)
		case test.err != "" && len(p) != 0:
			t.Errorf("%q: an error, and yet the value %v", test.text, p)
		}
	}
}
