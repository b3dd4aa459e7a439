package main

import (
	"bytes"
	"os"
	"os/signal"
	"syscall"

	"github.com/nats-io/nats-server/v2/server"
)

// runHub runs a NATS server until it is interrupted, and writes its address where files have HOST:PORT: hub FILE...
func runHub() {
	dir, err := os.MkdirTemp("", "sipsieve-hub")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	admin := &server.User{Username: "admin", Password: "secret"}
	edge := &server.User{Username: "edge", Password: "secret",
		Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{"cpni.v1.>"}}}}
	srv, err := server.NewServer(&server.Options{JetStream: true, StoreDir: dir, Host: "127.0.0.1",
		Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, Users: []*server.User{admin, edge}})
	if err != nil {
		panic(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(patience) {
		panic("the NATS server does not start")
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, os.Interrupt, syscall.SIGTERM)
	for _, name := range os.Args[1:] {
		text, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(name, bytes.ReplaceAll(text, []byte("HOST:PORT"), []byte(srv.Addr().String())), 0o600)
		}
		if err != nil {
			panic(err)
		}
	}
	<-ended
	srv.Shutdown()
	srv.WaitForShutdown()
}
