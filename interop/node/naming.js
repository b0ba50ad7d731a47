// Steps 1 to 14: registering, asking, subscribing. Three clients act: the owner registers, the peer changes things, the
// watcher only subscribes. A fourth, the stranger, lives in another namespace.

import { DEFAULT_GROUP } from './clients.js';
import { Skip, Told, expectAnswer, expectEqual } from './steps.js';

/** Changes that are pushed over UDP must come within a second. */
const PUSHED_WITHIN_MS = 1_000;
/** The client polls a service as often as the server asks for, every 10 s; a change may come that late, and a bit. */
const POLLED_WITHIN_MS = 11_000;

/** The owner's instance of `orders`. */
export const a = (zone, weight) =>
  instance('10.1.0.1', { weight, metadata: { zone, note: '甲乙 & "丙" = 🚀' } });

/** The peer's instance of `orders`. */
export const b = instance('10.1.0.2');

export const fleetMembers = [
  instance('10.1.1.1'),
  instance('10.1.1.2', { healthy: false }),
  instance('10.1.1.3', { clusterName: 'green' }),
];

export class NamingStory {
  told = new Told();

  static async connect(clients, polls) {
    const story = new NamingStory();
    story.clients = clients;
    story.toldWithinMs = polls ? POLLED_WITHIN_MS : PUSHED_WITHIN_MS;
    story.orders = clients.id('orders');
    story.fleet = clients.id('fleet');
    story.owner = await clients.naming();
    story.peer = await clients.naming();
    story.watcher = await clients.naming();
    story.stranger = await clients.naming(clients.namespace);
    story.listener = story.listenInto(story.told);
    return story;
  }

  async tell(steps) {
    await steps.step('register-instance', () => this.owner.registerInstance(this.orders, a('z1', 2.5)).then(() => ''));
    await steps.step('query-instance-back', () => this.expectAsked('instances', [a('z1', 2.5)]));
    await steps.step('batch-register', () => this.batchRegister());
    await steps.step('query-by-cluster', () => this.queryByCluster());
    await steps.step('query-healthy-only', () => this.queryHealthyOnly());
    await steps.step('subscriber-sees-new-instance', () => this.subscriberSeesNewInstance());
    await steps.step('subscriber-sees-metadata', () => this.change(a('z2', 2.5), [a('z2', 2.5), b]));
    await steps.step('subscriber-sees-weight', () => this.change(a('z2', 7), [a('z2', 7), b]));
    await steps.step('subscriber-sees-deregister', () => this.subscriberSeesDeregister());
    await steps.step('other-group-is-apart', () => this.otherGroupIsApart());
    await steps.step('other-namespace-is-apart', () => this.otherNamespaceIsApart());
    await steps.step('select-one-healthy', () => this.selectOneHealthy());
    await steps.step('list-services', () => this.listServices());
    await steps.step('unsubscribe-is-silent', () => this.unsubscribeIsSilent());
  }

  batchRegister() {
    throw new Skip('the Node client has no batch registration');
  }

  async queryByCluster() {
    for (const member of fleetMembers) await this.owner.registerInstance(this.fleet, member);
    for (const asked of ['blue', 'green', 'blue,green', 'grey']) {
      const expected = fleetMembers.filter((i) => asked.split(',').includes(i.clusterName));
      const where = { service: this.fleet, clusters: asked };
      await expectAnswer(`instances of ${asked}`, texts(expected), () => this.ask(where));
    }
  }

  async queryHealthyOnly() {
    for (const healthy of [true, false]) {
      const expected = texts(fleetMembers.filter((i) => i.healthy === healthy));
      const where = { service: this.fleet, healthy };
      await expectAnswer(`instances with healthy=${healthy}`, expected, () => this.ask(where));
    }
  }

  async subscriberSeesNewInstance() {
    this.subscribe(this.watcher, this.listener);
    await this.expectTold([a('z1', 2.5)], 0);
    const after = this.told.count();
    await this.peer.registerInstance(this.orders, b);
    return this.expectTold([a('z1', 2.5), b], after);
  }

  /** The owner registers its instance anew; the watcher must be told all of `expected`. */
  async change(anew, expected) {
    const after = this.told.count();
    await this.owner.registerInstance(this.orders, anew);
    return this.expectTold(expected, after);
  }

  async subscriberSeesDeregister() {
    const after = this.told.count();
    await this.peer.deregisterInstance(this.orders, b);
    const note = await this.expectTold([a('z2', 7)], after);
    await this.owner.deregisterInstance(this.orders, a('z2', 7));
    // The client takes an empty list for a fault and tells nobody, so only the server is asked.
    await this.expectAsked('instances right after the last left', []);
    return note;
  }

  async otherGroupIsApart() {
    const { group } = this.clients;
    await this.owner.registerInstance(this.orders, a('z1', 1));
    await this.expectAsked('instances of the empty group', [], { group });
    await this.peer.registerInstance(this.orders, b, group);
    await this.expectAsked('instances of the group', [b], { group });
    await this.expectAsked('instances of the default group', [a('z1', 1)]);
  }

  async otherNamespaceIsApart() {
    const { namespace } = this.clients;
    await this.expectAsked('instances of the empty namespace', [], { namespace });
    await this.stranger.registerInstance(this.orders, b);
    await this.expectAsked('instances of the namespace', [b], { namespace });
    await this.expectAsked('instances of the public namespace', [a('z1', 1)]);
  }

  selectOneHealthy() {
    throw new Skip('the Node client chooses no instance, it only lists them');
  }

  listServices() {
    throw new Skip('the Node client has no service list');
  }

  async unsubscribeIsSilent() {
    const stillTold = new Told();
    const second = this.listenInto(stillTold);
    this.subscribe(this.peer, second);
    await stillTold.expect(texts([a('z1', 1)]), 0, performance.now(), this.toldWithinMs);
    this.watcher.unSubscribe({ serviceName: this.orders, clusters: 'blue' }, this.listener);
    const silent = this.told.count();
    // The second subscriber proves that the changes went out, and two of them that a poll would have come by.
    for (const weight of [2, 3]) {
      const after = stillTold.count();
      await this.owner.registerInstance(this.orders, a('z1', weight));
      await stillTold.expect(texts([a('z1', weight)]), after, performance.now(), this.toldWithinMs);
    }
    this.peer.unSubscribe({ serviceName: this.orders, clusters: 'blue' }, second);
    expectEqual('callbacks after unsubscribing', silent, this.told.count());
  }

  listenInto(told) {
    return (hosts) => told.add(texts(hosts));
  }

  /** Without naming a cluster the client would subscribe to the one called DEFAULT. */
  subscribe(client, listener) {
    client.subscribe({ serviceName: this.orders, clusters: 'blue' }, listener);
  }

  /** Asks the server itself. The client mixes what it knows into an empty answer, so a new client asks. */
  async ask({ service = this.orders, group = DEFAULT_GROUP, clusters = '', namespace, healthy }) {
    const client = await this.clients.naming(namespace);
    try {
      const hosts = healthy === undefined
        ? await client.getAllInstances(service, group, clusters, false)
        : await client.selectInstances(service, group, clusters, healthy, false);
      return texts(hosts);
    } finally {
      await client.close();
    }
  }

  expectAsked(what, expected, where = {}) {
    return expectAnswer(what, texts(expected), () => this.ask(where));
  }

  expectTold(expected, after, limitMs = this.toldWithinMs) {
    return this.told.expect(texts(expected), after, performance.now(), limitMs);
  }
}

/** The one comparable form of a list of instances. */
export function texts(instances) {
  return instances.map(text).sort();
}

function instance(ip, fields = {}) {
  const defaults = { port: 8080, clusterName: 'blue', weight: 1, healthy: true, enabled: true, ephemeral: true };
  return { ip, ...defaults, metadata: {}, ...fields };
}

/** All that a client may ask about an instance, as one line. */
function text({ ip, port, clusterName, weight, healthy, enabled, ephemeral, metadata }) {
  const flags = `${healthy ? '' : ' unhealthy'}${enabled ? '' : ' disabled'}${ephemeral ? '' : ' persistent'}`;
  const pairs = JSON.stringify(Object.entries(metadata ?? {}).sort());
  return `${ip}:${port} ${clusterName} weight=${weight}${flags} ${pairs}`;
}
