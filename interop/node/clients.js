// Makes clients for one run and knows the run's names. Every name carries the run's own suffix, so that runs do not
// meet each other's leavings on the server.

import { randomBytes } from 'node:crypto';
import { appendFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'node:util';
import nacos from 'nacos';

export const DEFAULT_GROUP = 'DEFAULT_GROUP';

export class Clients {
  suffix = randomBytes(4).toString('hex');
  group = `GROUP-${this.suffix}`;
  namespace = `ns-${this.suffix}`;

  constructor(server, scratch) {
    this.server = server;
    this.snapshots = join(scratch, 'snapshots');
    const file = join(scratch, 'client.log');
    const write = (level) => (...words) => appendFileSync(file, `${level} ${format(...words)}\n`);
    this.log = { debug: () => {}, info: write('info'), warn: write('warn'), error: write('error') };
    console.error = console.warn = this.log.error; // where the client's parts complain when nobody listens
  }

  id(name) {
    return `${name}-${this.suffix}`;
  }

  async naming(namespace = 'public') {
    const client = new nacos.NacosNamingClient({ logger: this.log, serverList: this.server, namespace });
    await client.ready();
    return client;
  }

  /**
   * The class behind `NacosConfigClient`. That one would share a single connection, and so a single namespace, between
   * all config clients of the machine, over a port of its own.
   */
  async config(namespace) {
    const client = new nacos.DataClient({ serverAddr: this.server, namespace, cacheDir: this.snapshots });
    client.on('error', this.log.error);
    await client.ready();
    return client;
  }

  /** A snapshot on disk would answer for the server when the server cannot. */
  forgetSnapshots() {
    rmSync(this.snapshots, { recursive: true, force: true });
  }
}
