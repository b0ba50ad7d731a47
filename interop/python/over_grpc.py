"""The 2.x and 3.x lines of the client: gRPC and asyncio. The story sees the same plain calls as `over_http`.

The client's coroutines all run on one loop in a thread of its own, which also calls the callbacks.
"""

import asyncio
import importlib.metadata
import itertools
import logging
import os
import threading

from v2.nacos import (BatchRegisterInstanceParam, ClientConfig, ConfigParam, DeregisterInstanceParam, ListInstanceParam,
                      ListServiceParam, NacosConfigService, NacosNamingService, RegisterInstanceParam,
                      SubscribeServiceParam)

import model

OVER_HTTP = False
TOLD_WITHIN_S = 1.0
TELLS_FIRST = True
# The client renews its registrations in rounds of 30 s, whenever it reconnected; noticing a restart may take 8 s more.
BACK_WITHIN_S = 40
# The 2.x line takes "your connection is unknown" for a good answer to its health check. It notices a quick restart only
# when somebody calls it.
NOTICES_RESTART = not importlib.metadata.version("nacos-sdk-python").startswith("2.")
# No single call of the client takes longer, its own retries included.
CALL_S = 15

_loop = asyncio.new_event_loop()
threading.Thread(target=_loop.run_forever, name="clients", daemon=True).start()
_numbers = itertools.count()


def _call(coroutine):
    return asyncio.run_coroutine_threadsafe(coroutine, _loop).result(CALL_S)


def _settings(place, namespace):
    # A cache folder of its own for each client: they read it at start and would find each other's.
    own = os.path.join(place.scratch, f"client-{next(_numbers)}")
    settings = ClientConfig(server_addresses=place.server, namespace_id=namespace, log_level=logging.WARNING,
                            log_dir=os.path.join(place.scratch, "log"))
    settings.set_cache_dir(own).set_load_cache_at_start(False)
    settings.set_update_cache_when_empty(True)  # else the client never believes that the last instance left
    settings.disable_use_config_cache = True  # else a file answers for the server when the server cannot
    return settings


class Naming:
    def __init__(self, place, namespace):
        # The 2.x line sends an empty namespace as it is, and that is none of the server's.
        self.place, self.namespace = place, namespace or "public"
        self.client = _call(NacosNamingService.create_naming_service(_settings(place, self.namespace)))

    def register(self, service, group, i):
        done = _call(self.client.register_instance(_register(service, group, i)))
        assert done, "register_instance returned False"

    def deregister(self, service, group, i):
        done = _call(self.client.deregister_instance(DeregisterInstanceParam(
            service_name=service, group_name=group, ip=i.ip, port=model.PORT, cluster_name=i.cluster)))
        assert done, "deregister_instance returned False"

    def batch_register(self, service, instances):
        members = [_register(service, model.DEFAULT_GROUP, i) for i in instances]
        done = _call(self.client.batch_register_instances(BatchRegisterInstanceParam(
            service_name=service, instances=members)))
        assert done, "batch_register_instances returned False"

    def ask(self, service, group, clusters=(), healthy=None):
        """Asks the server itself. The client has no query that passes its cache, so a new client asks."""
        once = Naming(self.place, self.namespace)
        try:
            return _texts(_call(once.client.list_instances(ListInstanceParam(
                service_name=service, group_name=group, clusters=list(clusters), subscribe=False,
                healthy_only=healthy))))
        finally:
            once.close()

    def list_services(self, group):
        answer = _call(self.client.list_services(ListServiceParam(
            namespace_id=self.namespace, group_name=group)))
        return answer.count, answer.services

    def subscribe(self, service, told):
        async def changed(instances):
            told.add(_texts(instances))

        subscription = SubscribeServiceParam(service_name=service, subscribe_callback=changed)
        _call(self.client.subscribe(subscription))
        return subscription

    def unsubscribe(self, service, subscription):
        _call(self.client.unsubscribe(subscription))

    def poke(self):
        """Lets the client notice that its connection is gone. The first answer says so and is an error."""
        try:
            self.list_services(model.DEFAULT_GROUP)
        except Exception as expected:
            logging.info("poked: %s", expected)

    def close(self):
        try:
            _call(self.client.shutdown())
        except TypeError:
            pass  # 2.0.11 closes its connection and then awaits what is not awaitable


class Config:
    def __init__(self, place, namespace):
        self.client = _call(NacosConfigService.create_config_service(_settings(place, namespace)))

    def get(self, data_id, group):
        # The client returns an empty text for a config that does not exist.
        return _call(self.client.get_config(ConfigParam(data_id=data_id, group=group))) or None

    def publish(self, data_id, group, content):
        return _call(self.client.publish_config(ConfigParam(data_id=data_id, group=group, content=content)))

    def publish_cas(self, data_id, group, content, md5):
        param = ConfigParam(data_id=data_id, group=group, content=content, cas_md5=md5)
        return _call(self.client.publish_config(param))

    def remove(self, data_id, group):
        return _call(self.client.remove_config(ConfigParam(data_id=data_id, group=group)))

    def listen(self, data_id, group, told):
        async def changed(_tenant, _group, _data_id, content):
            told.add(content or None)

        _call(self.client.add_listener(data_id, group, changed))

    def close(self):
        _call(self.client.shutdown())


def _register(service, group, i):
    return RegisterInstanceParam(service_name=service, group_name=group, ip=i.ip, port=model.PORT, weight=i.weight,
                                 healthy=i.healthy, metadata=i.metadata, cluster_name=i.cluster)


def _texts(instances):
    return sorted(
        model.text(i.ip, i.port, i.clusterName, i.weight, i.healthy, i.enabled, i.ephemeral, i.metadata)
        for i in instances)
