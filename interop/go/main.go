// The story, told by the official Go client. Steps 22 and 23, restart and shutdown, need both halves and are here.

package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/clients/config_client"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
)

const (
	backWithin = 20 * time.Second
	goneWithin = 3 * time.Second
)

// Story is both halves.
type Story struct {
	naming *NamingStory
	config *ConfigStory
}

func main() {
	client := flag.String("client", "go", "the name in the output")
	scratch := flag.String("scratch", "", "where the client may write")
	server := flag.String("server", "", "HOST:PORT of the server's HTTP port; gRPC is 1000 above")
	noRestart := flag.Bool("no-restart", false, "skip the step that needs the server restarted")
	staleMs := flag.Int("stale-ms", 0, "how old an answer of the server may be")
	flag.Parse()
	stale = time.Duration(*staleMs) * time.Millisecond
	log.SetOutput(io.Discard) // the client says where its folders are
	clients, err := newClients(*server, *scratch)
	if err != nil {
		fmt.Fprintln(os.Stderr, "usage: run VARIANT --server HOST:PORT [--no-restart] [--stale-ms N]:", err)
		os.Exit(2)
	}
	steps := newSteps(*client)
	var story Story
	steps.step("connect", func() string {
		story = Story{newNamingStory(clients), newConfigStory(clients)}
		return ""
	})
	if steps.failed > 0 {
		os.Exit(steps.finish())
	}
	story.naming.tell(steps)
	story.config.tell(steps)
	steps.step("watched-by-pattern", func() string { panic(skipped("the Go client has no fuzzy watch")) })
	steps.step("restart-survived", func() string { return story.surviveRestart(*noRestart) })
	steps.step("shutdown-leaves-nothing", story.shutdown)
	os.Exit(steps.finish())
}

func (s *Story) surviveRestart(without bool) string {
	if without {
		panic(skipped("--no-restart"))
	}
	naming, config := s.naming, s.config
	naming.register(naming.owner, defaultGroup, a("z3", 3))
	mine := texts(a("z3", 3))
	must("subscribe", naming.watcher.Subscribe(naming.subscription))
	config.publishAndExpect("before the restart")

	fmt.Println("READY-FOR-RESTART")
	word, err := bufio.NewReader(os.Stdin).ReadString('\n')
	must("the driver's word", err)
	expectEqual("the driver's word", "RESTARTED", strings.TrimSpace(word))
	end := time.Now().Add(backWithin)

	for service, expected := range map[string][]string{naming.orders: mine, naming.fleet: texts(fleetMembers()...)} {
		eventually(time.Until(end), "instances of "+service, expected, func() ([]string, error) {
			return naming.ask(public, service, defaultGroup)
		})
	}
	eventually(time.Until(end), "the config", "before the restart", func() (string, error) {
		return config.reader.GetConfig(vo.ConfigParam{DataId: config.live, Group: defaultGroup})
	})
	back := backWithin - time.Until(end)

	after := naming.told.count()
	naming.register(naming.peer, defaultGroup, b())
	both := slices.Concat(mine, texts(b()))
	slices.Sort(both)
	naming.told.expect(both, after, time.Now(), time.Until(end))
	after = config.told.count()
	publish(config.writer, config.live, defaultGroup, "after the restart")
	config.told.expect("after the restart", after, time.Now(), time.Until(end))
	return fmt.Sprintf("registrations back after %d ms", back.Milliseconds())
}

func (s *Story) shutdown() string {
	for _, client := range []config_client.IConfigClient{s.config.writer, s.config.reader, s.config.stranger} {
		client.CloseClient()
	}
	naming := s.naming
	for _, client := range []naming_client.INamingClient{naming.owner, naming.peer, naming.watcher, naming.stranger} {
		client.CloseClient()
	}
	end := time.Now().Add(goneWithin)
	for _, service := range []string{naming.orders, naming.fleet} {
		eventually(time.Until(end), "instances of "+service, texts(), func() ([]string, error) {
			return naming.ask(public, service, defaultGroup)
		})
	}
	return ""
}
