// The instances of the story, the calls that carry them, and their one comparable form: text.

package main

import (
	"fmt"
	"slices"

	"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
)

// a is the owner's instance of orders.
func a(zone string, weight float64) vo.RegisterInstanceParam {
	metadata := map[string]string{"zone": zone, "note": "甲乙 & \"丙\" = 🚀"}
	return instance("10.1.0.1", "blue", weight, true, metadata)
}

// b is the peer's instance of orders.
func b() vo.RegisterInstanceParam {
	return instance("10.1.0.2", "blue", 1, true, nil)
}

func fleetMembers() []vo.RegisterInstanceParam {
	return []vo.RegisterInstanceParam{
		instance("10.1.1.1", "blue", 1, true, nil),
		instance("10.1.1.2", "blue", 1, false, nil),
		instance("10.1.1.3", "green", 1, true, nil),
	}
}

func instance(ip, cluster string, weight float64, healthy bool, metadata map[string]string) vo.RegisterInstanceParam {
	return vo.RegisterInstanceParam{Ip: ip, Port: 8080, Weight: weight, Enable: true, Healthy: healthy,
		ClusterName: cluster, Ephemeral: true, Metadata: metadata}
}

func (s *NamingStory) register(client naming_client.INamingClient, group string, instance vo.RegisterInstanceParam) {
	instance.ServiceName, instance.GroupName = s.orders, group
	done, err := client.RegisterInstance(instance)
	must("register", err)
	expect(done, "register: expected true, saw false")
}

func (s *NamingStory) deregister(client naming_client.INamingClient, instance vo.RegisterInstanceParam) {
	done, err := client.DeregisterInstance(vo.DeregisterInstanceParam{Ip: instance.Ip, Port: instance.Port,
		Cluster: instance.ClusterName, ServiceName: s.orders, Ephemeral: true})
	must("deregister", err)
	expect(done, "deregister: expected true, saw false")
}

// subscribeOrders makes a subscription that is not yet sent, and what it will be told.
func (s *NamingStory) subscribeOrders() (*Told[[]string], *vo.SubscribeParam) {
	told := &Told[[]string]{}
	return told, &vo.SubscribeParam{ServiceName: s.orders, GroupName: defaultGroup,
		SubscribeCallback: func(instances []model.Instance, _ error) { told.add(textsOf(instances)) }}
}

// ask asks the server itself. The client has no query that passes its cache, so a new client asks.
func (s *NamingStory) ask(namespace, service, group string) ([]string, error) {
	client := s.naming(namespace)
	defer client.CloseClient()
	seen, err := client.SelectAllInstances(vo.SelectAllInstancesParam{ServiceName: service, GroupName: group})
	return textsOf(seen), err
}

// expect says what the answer must be.
func (s *NamingStory) expect(what string, expected []string, namespace, service, group string) {
	expectAnswer(what, expected, func() ([]string, error) { return s.ask(namespace, service, group) })
}

func texts(instances ...vo.RegisterInstanceParam) []string {
	all := []string{}
	for _, i := range instances {
		all = append(all, text(i.Ip, i.Port, i.ClusterName, i.Weight, i.Healthy, i.Enable, i.Ephemeral, i.Metadata))
	}
	slices.Sort(all)
	return all
}

func textsOf(instances []model.Instance) []string {
	all := []string{}
	for _, i := range instances {
		all = append(all, text(i.Ip, i.Port, i.ClusterName, i.Weight, i.Healthy, i.Enable, i.Ephemeral, i.Metadata))
	}
	slices.Sort(all)
	return all
}

// text is all that a client may ask about an instance, as one line.
func text(ip string, port uint64, cluster string, weight float64, healthy, enabled, ephemeral bool,
	metadata map[string]string) string {
	flags := ""
	for flag, missing := range map[string]bool{" unhealthy": !healthy, " disabled": !enabled, " persistent": !ephemeral} {
		if missing {
			flags += flag
		}
	}
	return fmt.Sprintf("%s:%d %s weight=%v%s %v", ip, port, cluster, weight, flags, metadata)
}
