import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type FlagExample, flagsIn } from "./service-flags.fake.ts";
import { serviceSpecFromWire, serviceSpecToWire } from "./service-spec.ts";
import { missing, refusalOf } from "./service-words.fake.ts";

/* Every flag of CLI 28's `service create` and `service update` has an example in testdata/service-flags.json. */

const read = (name: string) => JSON.parse(readFileSync(join(import.meta.dirname, "testdata", name), "utf8"));

const examples: readonly FlagExample[] = read("service-flags.json");

const flags = (words: string): string[] =>
  words
    .trim()
    .split(/\s+/)
    .map((word) => `--${word}`);

const BOTH = flags(`
  cap-add cap-drop credential-spec endpoint-mode entrypoint health-cmd health-interval health-retries
  health-start-interval health-start-period health-timeout hostname init isolation limit-cpu limit-memory limit-pids
  log-driver log-opt max-concurrent no-healthcheck no-resolve-image oom-score-adj read-only replicas
  replicas-max-per-node reserve-cpu reserve-memory restart-condition restart-delay restart-max-attempts restart-window
  rollback-delay rollback-failure-action rollback-max-failure-ratio rollback-monitor rollback-order rollback-parallelism
  stop-grace-period stop-signal tty update-delay update-failure-action update-max-failure-ratio update-monitor
  update-order update-parallelism user with-registry-auth workdir
`);

const CREATE = flags(`
  config constraint container-label dns dns-option dns-search env env-file generic-resource group host label mode mount
  network placement-pref publish secret sysctl ulimit
`);

const UPDATE = flags(`
  args config-add config-rm constraint-add constraint-rm container-label-add container-label-rm dns-add dns-rm
  dns-option-add dns-option-rm dns-search-add dns-search-rm env-add env-rm force generic-resource-add
  generic-resource-rm group-add group-rm host-add host-rm image label-add label-rm mount-add mount-rm network-add
  network-rm placement-pref-add placement-pref-rm publish-add publish-rm rollback secret-add secret-rm sysctl-add
  sysctl-rm ulimit-add ulimit-rm
`);

describe("flags with an example", () => {
  test("of service create are all of them", () => {
    const used = new Set(examples.flatMap(({ create }) => flagsIn(create)));
    expect([...used].sort()).toEqual([...BOTH, ...CREATE].sort());
  });

  test("of service update are all of them", () => {
    const used = new Set(examples.flatMap(({ update }) => update.flatMap(flagsIn)));
    expect([...used].sort()).toEqual([...BOTH, ...UPDATE].sort());
  });
});

interface Recording {
  readonly requests: Readonly<Record<string, readonly { command: string; body: unknown }[]>>;
}

const sent = ["28.2.2", "20.10.24"].flatMap((version) => {
  const { requests }: Recording = read(`service-flags-${version}.json`);
  return Object.values(requests).flatMap((all) => all.map((request) => ({ version, ...request })));
});

/** What is refused, and then for this reason alone. */
const REFUSED: Readonly<Record<string, RegExp>> = {
  "--health-interval 1us": /Interval in HealthConfig cannot be less than 1ms$/,
  "--constraint node.role=worker": /constraint expected one operator from ==, !=$/,
  "--credential-spec": /^unsupported: cannot use --credential-spec/,
  "--isolation hyperv": /invalid isolation 'hyperv' on linux$/,
  "--hostname {{.Service.Name nginx": /^invalid: cannot read template "{{.Service.Name"/,
  "--log-driver syslog": /^unsupported: cannot use --log-driver syslog/,
};

test("bodies were recorded for each of them", () => {
  expect(sent.length).toBeGreaterThan(120);
});

test.each(sent)(
  "$version $command: all that the CLI said is shown, and is taken back",
  ({ command, body }) => {
    const refusal = Object.entries(REFUSED).find(([words]) => command.includes(words))?.[1];
    if (refusal !== undefined) return expect(refusalOf(body)).toMatch(refusal);
    const spec = serviceSpecFromWire(body);
    const shown: unknown = JSON.parse(JSON.stringify(serviceSpecToWire(spec)));
    expect(missing(body, shown)).toEqual([]);
    expect(serviceSpecFromWire(shown)).toEqual(spec);
  },
);
