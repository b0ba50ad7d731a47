// Steps 15 to 20: publishing, reading, listening, removing. The writer changes, the reader reads and listens.

import { DEFAULT_GROUP } from './clients.js';
import { Skip, Told, expect, expectAnswer } from './steps.js';

const TOLD_WITHIN_MS = 1_000;
const FIRST_WITHIN_MS = 6_000;
const UNICODE = '# 配置 – ключ – مفتاح\nemoji: "🚀🧭 👩‍👩‍👧"\nquote: \'a+b=c&d%20e\'\n\ttab: \\n\n';
const MEBIBYTE = 1 << 20;

export class ConfigStory {
  told = new Told();

  static async connect(clients) {
    const story = new ConfigStory();
    story.clients = clients;
    story.live = clients.id('live');
    story.writer = await clients.config();
    story.reader = await clients.config();
    story.stranger = await clients.config(clients.namespace);
    return story;
  }

  async tell(steps) {
    await steps.step('config-round-trip', () => this.roundTrip('app', UNICODE));
    await steps.step('config-one-mebibyte', () => this.oneMebibyte());
    await steps.step('config-compare-and-set', () => this.compareAndSet());
    await steps.step('config-listener-told', () => this.listenerTold());
    await steps.step('config-elsewhere-is-apart', () => this.elsewhereIsApart());
    await steps.step('config-remove', () => this.remove());
  }

  async roundTrip(name, content) {
    const dataId = this.clients.id(name);
    await publish(this.writer, dataId, DEFAULT_GROUP, content);
    await expectContent('content', content, this.reader, dataId);
  }

  async oneMebibyte() {
    const line = '0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ\n';
    await this.roundTrip('big', line.repeat(MEBIBYTE / line.length + 1).slice(0, MEBIBYTE));
  }

  compareAndSet() {
    throw new Skip('the Node client has no compare-and-set');
  }

  async listenerTold() {
    await publish(this.writer, this.live, DEFAULT_GROUP, 'one');
    this.reader.subscribe({ dataId: this.live, group: DEFAULT_GROUP }, (content) => this.told.add(content));
    await this.told.expect('one', 0, performance.now(), FIRST_WITHIN_MS);
    return this.publishAndExpect('two');
  }

  /** The writer publishes; the reader's listener must be told within a second. */
  async publishAndExpect(content, limitMs = TOLD_WITHIN_MS) {
    const after = this.told.count();
    await publish(this.writer, this.live, DEFAULT_GROUP, content);
    return this.told.expect(content, after, performance.now(), limitMs);
  }

  async elsewhereIsApart() {
    const dataId = this.clients.id('app');
    const { group } = this.clients;
    await expectContent('content in the empty group', null, this.reader, dataId, group);
    await expectContent('content in the empty namespace', null, this.stranger, dataId);
    await publish(this.writer, dataId, group, 'of the group');
    await publish(this.stranger, dataId, DEFAULT_GROUP, 'of the namespace');
    await expectContent('content in the group', 'of the group', this.reader, dataId, group);
    await expectContent('content in the namespace', 'of the namespace', this.stranger, dataId);
    await expectContent('content in the default group', UNICODE, this.reader, dataId);
  }

  async remove() {
    const after = this.told.count();
    expect(await this.writer.remove(this.live, DEFAULT_GROUP), 'expected true from remove, saw false');
    const changed = performance.now();
    await expectContent('content after removal', null, this.reader, this.live);
    return this.told.expect(null, after, changed, TOLD_WITHIN_MS);
  }
}

async function publish(client, dataId, group, content) {
  const done = await client.publishSingle(dataId, group, content);
  expect(done, `expected true from publishSingle of ${dataId}, saw false`);
}

function expectContent(what, expected, client, dataId, group = DEFAULT_GROUP) {
  return expectAnswer(what, expected, () => client.getConfig(dataId, group));
}
