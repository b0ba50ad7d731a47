"""The 0.1 line of the client: HTTP, heart-beats, and lists that it polls.

The story sees the same calls as in `over_grpc`.
"""

import os
import urllib.parse
import urllib.request

import nacos
from nacos.listener import SubscribeListener

import model
from steps import Skip

OVER_HTTP = True
# The client asks for the list in its own interval, one second here; a change may come that late, and a second more.
POLL_S = 1
TOLD_WITHIN_S = POLL_S + 1.0
# It does not tell a subscriber or listener what it finds first, only what changes later.
TELLS_FIRST = False
BEAT_S = 5
BACK_WITHIN_S = 20
NOTICES_RESTART = True
# It puts the content into the request line, where servers refuse long ones.
REQUEST_LINE_CONTENT_MAX = 16 * 1024


def _client(place, namespace):
    os.makedirs(os.path.join(place.scratch, "log"), exist_ok=True)
    client = nacos.NacosClient(place.server, namespace=namespace, logDir=os.path.join(place.scratch, "log"))
    # Else a file answers for the server when the server cannot.
    client.set_options(no_snapshot=True, snapshot_base=os.path.join(place.scratch, "snapshot"),
                       failover_base=os.path.join(place.scratch, "failover"))
    return client


class Naming:
    def __init__(self, place, namespace):
        self.client = _client(place, namespace)

    def register(self, service, group, i):
        # A heart-beat makes an instance healthy, so only a healthy one gets them.
        done = self.client.add_naming_instance(
            service, i.ip, model.PORT, i.cluster, i.weight, i.metadata, healthy=i.healthy, group_name=group,
            heartbeat_interval=BEAT_S if i.healthy else None)
        assert done, "add_naming_instance returned False"

    def deregister(self, service, group, i):
        done = self.client.remove_naming_instance(service, i.ip, model.PORT, i.cluster, group_name=group)
        assert done, "remove_naming_instance returned False"

    def batch_register(self, service, instances):
        raise Skip("nacos-sdk-python 0.1 has no batch registration")

    def ask(self, service, group, clusters=(), healthy=None):
        if healthy is False:
            raise Skip("nacos-sdk-python 0.1 has no query for unhealthy instances")
        answer = self.client.list_naming_instance(
            service, clusters=",".join(clusters) or None, group_name=group, healthy_only=healthy is True)
        return _texts(answer["hosts"])

    def list_services(self, group):
        raise Skip("nacos-sdk-python 0.1 has no service list")

    def subscribe(self, service, told):
        manager = self.client.subscribed_local_manager

        def changed(_event, _instance):  # called per instance, after the client's own list has changed
            told.add(_texts(known.instance for known in (manager.get_local_instances(service) or {}).values()))

        self.client.subscribe(SubscribeListener(changed, listener_name=service), POLL_S, service)
        for timer in self.client.subscribe_timer_manager.all_timers().values():
            timer.set_ignore_ex(True)  # else the first poll that fails is the last one
        return service

    def unsubscribe(self, service, subscription):
        self.client.unsubscribe(service, subscription)

    def close(self):
        for beat in self.client.heartbeats.values():
            beat.stop()
        self.client.stop_subscribe()


class Config:
    def __init__(self, place, namespace):
        self.client = _client(place, namespace)
        self.place = place
        self.namespace = namespace

    def get(self, data_id, group):
        return self.client.get_config(data_id, group)

    def publish(self, data_id, group, content):
        if len(content) > REQUEST_LINE_CONTENT_MAX:
            return self._publish_in_body(data_id, group, content)
        return self.client.publish_config(data_id, group, content)

    def publish_cas(self, data_id, group, content, md5):
        raise Skip("nacos-sdk-python 0.1 has no compare-and-set")

    def remove(self, data_id, group):
        return self.client.remove_config(data_id, group)

    def listen(self, data_id, group, told):
        def changed(params):
            told.add(params["content"])

        self.client.add_config_watcher(data_id, group, changed)

    def close(self):
        if self.client.process_mgr is not None:
            self.client.process_mgr.shutdown()

    def _publish_in_body(self, data_id, group, content):
        form = {"dataId": data_id, "group": group, "content": content, "tenant": self.namespace}
        url = f"http://{self.place.server}/nacos/v1/cs/configs"
        with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), timeout=5) as answer:
            return answer.read() == b"true"


def _texts(hosts):
    return sorted(
        model.text(h["ip"], h["port"], h["clusterName"], h["weight"], h["healthy"], h["enabled"], h["ephemeral"],
                   h["metadata"]) for h in hosts)
