// The story, told by the official Node client. Steps 22 and 23, restart and shutdown, need both halves and are here.

import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Clients, DEFAULT_GROUP } from './clients.js';
import { ConfigStory } from './config.js';
import { NamingStory, a, b, fleetMembers, texts } from './naming.js';
import { Skip, Steps, eventually, expectEqual, say } from './steps.js';

const BACK_WITHIN_MS = 20_000;
const GONE_WITHIN_MS = 3_000;

const { values: args } = parseArgs({
  options: {
    client: { type: 'string', default: 'node' },
    scratch: { type: 'string', default: '.' },
    server: { type: 'string' },
    'no-restart': { type: 'boolean', default: false },
    'stale-ms': { type: 'string', default: '0' },
  },
});
if (!args.server) {
  process.stderr.write('usage: run VARIANT --server HOST:PORT [--no-restart] [--stale-ms N]\n');
  process.exit(2);
}

Steps.staleMs = Number(args['stale-ms']);
const steps = new Steps(args.client);
const clients = new Clients(args.server, args.scratch);
let naming;
let config;
await steps.step('connect', async () => {
  naming = await NamingStory.connect(clients, args.client.endsWith('-polling'));
  config = await ConfigStory.connect(clients);
});
if (steps.failed === 0) {
  await naming.tell(steps);
  await config.tell(steps);
  await steps.step('watched-by-pattern', () => {
    throw new Skip('the Node client has no fuzzy watch');
  });
  await steps.step('restart-survived', surviveRestart);
  await steps.step('shutdown-leaves-nothing', shutdown);
}
steps.finish();

async function surviveRestart() {
  if (args['no-restart']) throw new Skip('--no-restart');
  const mine = a('z3', 3);
  await naming.owner.registerInstance(naming.orders, mine);
  naming.subscribe(naming.watcher, naming.listener);
  await config.publishAndExpect('before the restart');

  say('READY-FOR-RESTART');
  expectEqual('the driver\'s word', 'RESTARTED', await nextLine());
  const end = performance.now() + BACK_WITHIN_MS;
  const left = () => Math.max(0, end - performance.now());

  clients.forgetSnapshots();
  await eventually(left(), 'instances of orders', texts([mine]), () => naming.ask({}));
  // A heart-beat says nothing of health, so the unhealthy instance comes back healthy.
  const fleet = texts(fleetMembers.map((i) => ({ ...i, healthy: true })));
  await eventually(left(), 'instances of fleet', fleet, () => naming.ask({ service: naming.fleet }));
  const getLive = () => config.reader.getConfig(config.live, DEFAULT_GROUP);
  await eventually(left(), 'the config', 'before the restart', getLive);
  const backMs = Math.round(BACK_WITHIN_MS - left());

  const after = naming.told.count();
  await naming.peer.registerInstance(naming.orders, b);
  await naming.expectTold([mine, b], after, left());
  await config.publishAndExpect('after the restart', left());
  return `registrations back after ${backMs} ms`;
}

async function shutdown() {
  // Without a connection nobody sees a client go; it has to say so.
  await naming.owner.deregisterInstance(naming.orders, a('', 1));
  await naming.peer.deregisterInstance(naming.orders, b);
  for (const member of fleetMembers) await naming.owner.deregisterInstance(naming.fleet, member);
  for (const client of [config.writer, config.reader, config.stranger]) client.close();
  for (const client of [naming.owner, naming.peer, naming.watcher, naming.stranger]) await client.close();
  const end = performance.now() + GONE_WITHIN_MS;
  for (const service of [naming.orders, naming.fleet]) {
    const left = Math.max(0, end - performance.now());
    await eventually(left, `instances of ${service}`, [], () => naming.ask({ service }));
  }
}

function nextLine() {
  const input = createInterface({ input: process.stdin });
  return new Promise((resolve) => {
    input.once('line', (line) => {
      resolve(line.trim());
      input.close();
    });
    input.once('close', () => resolve('the end of the input'));
  });
}
