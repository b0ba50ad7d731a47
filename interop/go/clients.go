// Makes clients for one run and knows the run's names. Every name carries the run's own suffix, so that runs do not
// meet each other's leavings on the server.

package main

import (
	"fmt"
	"math/rand"
	"net"
	"os"
	"strconv"

	"github.com/nacos-group/nacos-sdk-go/v2/clients"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/config_client"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
)

const (
	defaultGroup = "DEFAULT_GROUP"
	// The namespace every client is in when it names none.
	public = ""
)

// Clients is what all steps share: the server, the names, and where the clients may write.
type Clients struct {
	suffix, group, namespace string
	host                     string
	port                     uint64
	scratch                  string
}

func newClients(server, scratch string) (*Clients, error) {
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	suffix := fmt.Sprintf("%08x", rand.Uint32())
	return &Clients{suffix, "GROUP-" + suffix, "ns-" + suffix, host, number, scratch}, err
}

func (c *Clients) id(name string) string {
	return name + "-" + c.suffix
}

func (c *Clients) naming(namespace string) naming_client.INamingClient {
	client, err := clients.NewNamingClient(c.param(namespace))
	must("a naming client", err)
	return client
}

func (c *Clients) config(namespace string) config_client.IConfigClient {
	client, err := clients.NewConfigClient(c.param(namespace))
	must("a config client", err)
	return client
}

func (c *Clients) param(namespace string) vo.NacosClientParam {
	// A folder of its own for each client: they read it at start and would find each other's caches.
	cacheDir, err := os.MkdirTemp(c.scratch, "client-")
	must("a cache folder", err)
	return vo.NacosClientParam{
		ServerConfigs: []constant.ServerConfig{{IpAddr: c.host, Port: c.port}},
		ClientConfig: &constant.ClientConfig{
			NamespaceId:          namespace,
			TimeoutMs:            5000,
			LogDir:               c.scratch,
			LogLevel:             "warn",
			CacheDir:             cacheDir,
			NotLoadCacheAtStart:  true,
			UpdateCacheWhenEmpty: true, // else the client never believes that the last instance left
			DisableUseSnapShot:   true, // else a file answers for the server when the server cannot
		},
	}
}
