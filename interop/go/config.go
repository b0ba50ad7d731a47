// Steps 15 to 20: publishing, reading, listening, removing. The writer changes, the reader reads and listens.

package main

import (
	"crypto/md5"
	"fmt"
	"strings"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/clients/config_client"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
)

const (
	// The first comparison with the server waits for a round of the client's own 5 s clock.
	firstWithin = 6 * time.Second
	unicode     = "# 配置 – ключ – مفتاح\nemoji: \"🚀🧭 👩‍👩‍👧\"\nquote: 'a+b=c&d%20e'\n\ttab: \\n\n"
	mebibyte    = 1 << 20
	// The client returns this for a config that does not exist.
	absent = ""
)

// ConfigStory holds the acting clients and what the reader's listener was told.
type ConfigStory struct {
	*Clients
	live                     string
	writer, reader, stranger config_client.IConfigClient
	told                     *Told[string]
}

func newConfigStory(c *Clients) *ConfigStory {
	return &ConfigStory{Clients: c, live: c.id("live"), told: &Told[string]{},
		writer: c.config(public), reader: c.config(public), stranger: c.config(c.namespace)}
}

func (s *ConfigStory) tell(steps *Steps) {
	steps.step("config-round-trip", s.roundTrip)
	steps.step("config-one-mebibyte", s.oneMebibyte)
	steps.step("config-compare-and-set", s.compareAndSet)
	steps.step("config-listener-told", s.listenerTold)
	steps.step("config-elsewhere-is-apart", s.elsewhereIsApart)
	steps.step("config-remove", s.remove)
}

func (s *ConfigStory) roundTrip() string {
	publish(s.writer, s.id("app"), defaultGroup, unicode)
	expectContent("content", unicode, s.reader, s.id("app"), defaultGroup)
	return ""
}

func (s *ConfigStory) oneMebibyte() string {
	line := "0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ\n"
	content := strings.Repeat(line, mebibyte/len(line)+1)[:mebibyte]
	publish(s.writer, s.id("big"), defaultGroup, content)
	expectContent("content", content, s.reader, s.id("big"), defaultGroup)
	return ""
}

func (s *ConfigStory) compareAndSet() string {
	dataID := s.id("cas")
	publish(s.writer, dataID, defaultGroup, "one")
	one := fmt.Sprintf("%x", md5.Sum([]byte("one")))
	done, err := s.writer.PublishConfig(vo.ConfigParam{DataId: dataID, Group: defaultGroup, Content: "two", CasMd5: one})
	must("publish with the right md5", err)
	expect(done, "expected true from a publish with the right md5, saw false")
	expectContent("content after the right md5", "two", s.reader, dataID, defaultGroup)
	done, err = s.writer.PublishConfig(vo.ConfigParam{DataId: dataID, Group: defaultGroup, Content: "three", CasMd5: one})
	expect(!done || err != nil, "expected a publish with the wrong md5 to fail, saw it succeed")
	expectContent("content after the wrong md5", "two", s.reader, dataID, defaultGroup)
	return ""
}

func (s *ConfigStory) listenerTold() string {
	publish(s.writer, s.live, defaultGroup, "one")
	onChange := func(_, _, _, content string) { s.told.add(content) }
	must("listen", s.reader.ListenConfig(vo.ConfigParam{DataId: s.live, Group: defaultGroup, OnChange: onChange}))
	s.told.expect("one", 0, time.Now(), firstWithin)
	return s.publishAndExpect("two")
}

// publishAndExpect lets the writer publish; the reader's listener must be told within a second.
func (s *ConfigStory) publishAndExpect(content string) string {
	after := s.told.count()
	publish(s.writer, s.live, defaultGroup, content)
	return s.told.expect(content, after, time.Now(), toldWithin)
}

func (s *ConfigStory) elsewhereIsApart() string {
	dataID := s.id("app")
	expectContent("content in the empty group", absent, s.reader, dataID, s.group)
	expectContent("content in the empty namespace", absent, s.stranger, dataID, defaultGroup)
	publish(s.writer, dataID, s.group, "of the group")
	publish(s.stranger, dataID, defaultGroup, "of the namespace")
	expectContent("content in the group", "of the group", s.reader, dataID, s.group)
	expectContent("content in the namespace", "of the namespace", s.stranger, dataID, defaultGroup)
	expectContent("content in the default group", unicode, s.reader, dataID, defaultGroup)
	return ""
}

func (s *ConfigStory) remove() string {
	after := s.told.count()
	done, err := s.writer.DeleteConfig(vo.ConfigParam{DataId: s.live, Group: defaultGroup})
	must("delete", err)
	expect(done, "expected true from DeleteConfig, saw false")
	changed := time.Now()
	expectContent("content after removal", absent, s.reader, s.live, defaultGroup)
	return s.told.expect(absent, after, changed, toldWithin)
}

func expectContent(what, expected string, client config_client.IConfigClient, dataID, group string) {
	expectAnswer(what, expected, func() (string, error) {
		return client.GetConfig(vo.ConfigParam{DataId: dataID, Group: group})
	})
}

func publish(client config_client.IConfigClient, dataID, group, content string) {
	done, err := client.PublishConfig(vo.ConfigParam{DataId: dataID, Group: group, Content: content})
	must("publish "+dataID, err)
	expect(done, "expected true from PublishConfig of %s, saw false", dataID)
}
