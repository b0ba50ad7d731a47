// Steps 1 to 14: registering, asking, subscribing. Three clients act: the owner registers, the peer changes things, the
// watcher only subscribes. A fourth, the stranger, lives in another namespace.

package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
)

const toldWithin = time.Second

// NamingStory holds the acting clients and what the watcher was told.
type NamingStory struct {
	*Clients
	orders, fleet                  string
	owner, peer, watcher, stranger naming_client.INamingClient
	told                           *Told[[]string]
	subscription                   *vo.SubscribeParam
}

func newNamingStory(c *Clients) *NamingStory {
	s := &NamingStory{Clients: c, orders: c.id("orders"), fleet: c.id("fleet")}
	s.owner, s.peer, s.watcher = c.naming(public), c.naming(public), c.naming(public)
	s.stranger = c.naming(c.namespace)
	s.told, s.subscription = s.subscribeOrders()
	return s
}

func (s *NamingStory) tell(steps *Steps) {
	steps.step("register-instance", s.registerInstance)
	steps.step("query-instance-back", s.queryBack)
	steps.step("batch-register", s.batchRegister)
	steps.step("query-by-cluster", s.queryByCluster)
	steps.step("query-healthy-only", s.queryHealthyOnly)
	steps.step("subscriber-sees-new-instance", s.subscriberSeesNewInstance)
	steps.step("subscriber-sees-metadata", func() string { return s.change(a("z2", 2.5), a("z2", 2.5), b()) })
	steps.step("subscriber-sees-weight", func() string { return s.change(a("z2", 7), a("z2", 7), b()) })
	steps.step("subscriber-sees-deregister", s.subscriberSeesDeregister)
	steps.step("other-group-is-apart", s.otherGroupIsApart)
	steps.step("other-namespace-is-apart", s.otherNamespaceIsApart)
	steps.step("select-one-healthy", s.selectOneHealthy)
	steps.step("list-services", s.listServices)
	steps.step("unsubscribe-is-silent", s.unsubscribeIsSilent)
}

func (s *NamingStory) registerInstance() string {
	s.register(s.owner, defaultGroup, a("z1", 2.5))
	return ""
}

func (s *NamingStory) queryBack() string {
	s.expect("instances", texts(a("z1", 2.5)), public, s.orders, defaultGroup)
	return ""
}

func (s *NamingStory) batchRegister() string {
	batch := vo.BatchRegisterInstanceParam{ServiceName: s.fleet, Instances: fleetMembers()}
	done, err := s.owner.BatchRegisterInstance(batch)
	must("batch register", err)
	expect(done, "batch register: expected true, saw false")
	s.expect("instances", texts(fleetMembers()...), public, s.fleet, defaultGroup)
	return ""
}

func (s *NamingStory) queryByCluster() string {
	for _, asked := range [][]string{{"blue"}, {"green"}, {"blue", "green"}, {"grey"}} {
		elsewhere := func(i vo.RegisterInstanceParam) bool { return !slices.Contains(asked, i.ClusterName) }
		expectAnswer(fmt.Sprint("instances of ", asked), texts(slices.DeleteFunc(fleetMembers(), elsewhere)...),
			func() ([]string, error) {
				seen, err := s.peer.SelectAllInstances(vo.SelectAllInstancesParam{ServiceName: s.fleet, Clusters: asked})
				return textsOf(seen), err
			})
	}
	return ""
}

func (s *NamingStory) queryHealthyOnly() string {
	for _, healthy := range []bool{true, false} {
		others := func(i vo.RegisterInstanceParam) bool { return i.Healthy != healthy }
		expectAnswer(fmt.Sprint("instances with healthy=", healthy), texts(slices.DeleteFunc(fleetMembers(), others)...),
			func() ([]string, error) {
				seen, err := s.peer.SelectInstances(vo.SelectInstancesParam{ServiceName: s.fleet, HealthyOnly: healthy})
				return textsOf(seen), err
			})
	}
	return ""
}

func (s *NamingStory) subscriberSeesNewInstance() string {
	must("subscribe", s.watcher.Subscribe(s.subscription))
	s.told.expect(texts(a("z1", 2.5)), 0, time.Now(), toldWithin)
	after := s.told.count()
	s.register(s.peer, defaultGroup, b())
	return s.told.expect(texts(a("z1", 2.5), b()), after, time.Now(), toldWithin)
}

// change lets the owner register its instance anew; the watcher must be told all of expected.
func (s *NamingStory) change(anew vo.RegisterInstanceParam, expected ...vo.RegisterInstanceParam) string {
	after := s.told.count()
	s.register(s.owner, defaultGroup, anew)
	return s.told.expect(texts(expected...), after, time.Now(), toldWithin)
}

func (s *NamingStory) subscriberSeesDeregister() string {
	after := s.told.count()
	s.deregister(s.peer, b())
	note := s.told.expect(texts(a("z2", 7)), after, time.Now(), toldWithin)
	after = s.told.count()
	s.deregister(s.owner, a("z2", 7))
	changed := time.Now()
	s.expect("instances right after the last left", texts(), public, s.orders, defaultGroup)
	s.told.expect(texts(), after, changed, toldWithin)
	return note
}

func (s *NamingStory) otherGroupIsApart() string {
	s.register(s.owner, defaultGroup, a("z1", 1))
	s.expect("instances of the empty group", texts(), public, s.orders, s.group)
	s.register(s.peer, s.group, b())
	s.expect("instances of the group", texts(b()), public, s.orders, s.group)
	s.expect("instances of the default group", texts(a("z1", 1)), public, s.orders, defaultGroup)
	return ""
}

func (s *NamingStory) otherNamespaceIsApart() string {
	s.expect("instances of the empty namespace", texts(), s.namespace, s.orders, defaultGroup)
	s.register(s.stranger, defaultGroup, b())
	s.expect("instances of the namespace", texts(b()), s.namespace, s.orders, defaultGroup)
	s.expect("instances of the public namespace", texts(a("z1", 1)), public, s.orders, defaultGroup)
	return ""
}

func (s *NamingStory) selectOneHealthy() string {
	for range 20 {
		one, err := s.peer.SelectOneHealthyInstance(vo.SelectOneHealthInstanceParam{ServiceName: s.fleet})
		must("select one", err)
		expect(one.Healthy && slices.Contains(texts(fleetMembers()...), textsOf([]model.Instance{*one})[0]),
			"expected a healthy instance of %s, saw %v", s.fleet, one)
	}
	return ""
}

func (s *NamingStory) listServices() string {
	for group, client := range map[string]naming_client.INamingClient{s.group: s.peer, defaultGroup: s.stranger} {
		expectAnswer("services of "+group, model.ServiceList{Count: 1, Doms: []string{s.orders}},
			func() (model.ServiceList, error) {
				return client.GetAllServicesInfo(vo.GetAllServiceInfoParam{GroupName: group, PageNo: 1, PageSize: 10})
			})
	}
	return ""
}

func (s *NamingStory) unsubscribeIsSilent() string {
	stillTold, second := s.subscribeOrders()
	must("subscribe", s.peer.Subscribe(second))
	stillTold.expect(texts(a("z1", 1)), 0, time.Now(), toldWithin)
	must("unsubscribe", s.watcher.Unsubscribe(s.subscription))
	silent := s.told.count()
	// The second subscriber proves that the changes went out.
	for _, weight := range []float64{2, 3} {
		after := stillTold.count()
		s.register(s.owner, defaultGroup, a("z1", weight))
		stillTold.expect(texts(a("z1", weight)), after, time.Now(), toldWithin)
	}
	must("unsubscribe", s.peer.Unsubscribe(second))
	expectEqual("callbacks after unsubscribing", silent, s.told.count())
	return ""
}
