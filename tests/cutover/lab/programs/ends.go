// A client and servers on Go's crypto/tls.
//
//	ends client ADDRESS:PORT NAME OPTIONS
//	ends servers CONFIG.json
//
// The client prints the page if it came through, the servers a line of JSON for each connection.
package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

const page = "the cut-over page"

type options struct {
	Port         int         `json:"port"`
	Least        string      `json:"least"`
	Most         string      `json:"most"`
	Groups       []string    `json:"groups"`
	Suites       []string    `json:"suites"`
	Certificates [][2]string `json:"certificates"`
	KnownName    string      `json:"known_name"`
}

func (o options) config() *tls.Config {
	versions := map[string]uint16{"TLS 1.0": tls.VersionTLS10, "TLS 1.1": tls.VersionTLS11, "TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}
	groups := map[string]tls.CurveID{"secp256r1": tls.CurveP256, "secp384r1": tls.CurveP384, "secp521r1": tls.CurveP521, "x25519": tls.X25519,
		"X25519MLKEM768": 4588}
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: versions[o.Least], MaxVersion: versions[o.Most], SessionTicketsDisabled: true}
	for _, name := range o.Groups {
		config.CurvePreferences = append(config.CurvePreferences, groups[name])
	}
	for _, name := range o.Suites {
		for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if suite.Name == name {
				config.CipherSuites = append(config.CipherSuites, suite.ID)
			}
		}
	}
	for _, files := range o.Certificates {
		pair, err := tls.LoadX509KeyPair(files[0], files[1])
		check(err)
		config.Certificates = append(config.Certificates, pair)
	}
	if o.KnownName != "" {
		config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if hello.ServerName != o.KnownName {
				return nil, fmt.Errorf("no such name: %q", hello.ServerName)
			}
			return nil, nil
		}
	}
	return config
}

func main() {
	switch os.Args[1] {
	case "client":
		var chosen options
		check(json.Unmarshal([]byte(os.Args[4]), &chosen))
		config := chosen.config()
		config.ServerName = os.Args[3]
		client(os.Args[2], config)
	case "servers":
		text, err := os.ReadFile(os.Args[2])
		check(err)
		var all []options
		check(json.Unmarshal(text, &all))
		for _, each := range all {
			listener, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", each.Port))
			check(err)
			go serve(listener, each.Port, each.config())
		}
		fmt.Println("listening")
		select {}
	}
}

func client(address string, config *tls.Config) {
	plain, err := net.DialTimeout("tcp", address, 8*time.Second)
	check(err)
	check(plain.SetDeadline(time.Now().Add(8 * time.Second)))
	connection := tls.Client(plain, config)
	if err := connection.Handshake(); err != nil {
		fmt.Println("said:", err)
		return
	}
	state := connection.ConnectionState()
	fmt.Printf("said: %#x %s\n", state.Version, tls.CipherSuiteName(state.CipherSuite))
	fmt.Fprint(connection, "GET /page.html HTTP/1.0\r\nHost: www.cutover.example\r\n\r\n")
	text, err := io.ReadAll(connection)
	if err != nil {
		fmt.Println("said:", err)
	}
	fmt.Println(string(text))
}

func serve(listener net.Listener, port int, config *tls.Config) {
	for {
		plain, err := listener.Accept()
		check(err)
		go answer(plain, port, config)
	}
}

func answer(plain net.Conn, port int, config *tls.Config) {
	defer plain.Close()
	plain.SetDeadline(time.Now().Add(8 * time.Second))
	remote, _, _ := strings.Cut(plain.RemoteAddr().String(), ":")
	entry := map[string]any{"remote": remote, "port": port}
	connection := tls.Server(plain, config)
	err := connection.Handshake()
	if err == nil {
		// A line has come through TLS: only now has the client taken the handshake too.
		_, err = bufio.NewReader(connection).ReadString('\n')
	}
	if err == nil {
		state := connection.ConnectionState()
		entry["version"], entry["cipher"] = fmt.Sprintf("%#x", state.Version), tls.CipherSuiteName(state.CipherSuite)
		fmt.Fprintf(connection, "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s\n", len(page)+1, page)
		connection.Close()
	} else {
		entry["error"] = err.Error()
	}
	line, err := json.Marshal(entry)
	check(err)
	fmt.Println(string(line))
}

func check(err error) {
	if err != nil {
		fmt.Println("said:", err)
		os.Exit(1)
	}
}
