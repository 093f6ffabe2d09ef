// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables are those of stack files
import { expect, test } from "vitest";
import { problemsOf } from "./files.fake.ts";

/** Files and what is said of them. */
const service = (lines: string) => `services:\n  web:\n    image: nginx\n${lines}`;
const top = (lines: string) => `services: { web: { image: nginx } }\n${lines}`;

test.each([
  ["", "a.yml:1:1: error: this file says nothing"],
  ["- a", "a.yml:1:1: error: a stack file is a mapping, not a list"],
  ["services: {}", "a.yml:1:1: error: there is no service to run"],
  ["services:\n  web: {}", "a.yml:2:3: error: the service web must say its image"],
  [
    "services:\n  web:\n    imgae: nginx\n    image: a",
    "a.yml:3:5: error: a service has no field imgae; did you mean image?",
  ],
  [service("    image: b"), "a.yml:4:5: error: cannot read YAML: map keys must be unique"],
  [service("    tty: maybe"), 'a.yml:4:10: error: this must be true or false, not a text "maybe"'],
  [
    service("    ports: [80:x]"),
    'a.yml:4:13: error: cannot read the port "80:x": it is written [[address:]published:]target[/protocol]',
  ],
  [service("    ports: [{ target: 99999 }]"), "a.yml:4:13: error: a port's target is from 1 to 65535"],
  [service("    volumes: [data:/data]"), "a.yml:4:15: error: there is no volume data: name it under volumes"],
  [service("    secrets: [key]"), "a.yml:4:15: error: there is no secret key: name it under secrets"],
  [service("    networks: [back]"), "a.yml:4:16: error: there is no network back: name it under networks"],
  [
    service("    depends_on: [db]"),
    "a.yml:4:18: error: there is no service db (of a profile that is on) to depend on",
  ],
  [service("    command: echo 'a"), "a.yml:4:14: error: a quote in this command is not closed"],
  [
    service("    stop_grace_period: soon"),
    'a.yml:4:24: error: this must be a duration such as 30s or 1m30s, not a text "soon"',
  ],
  [
    service("    env_file: none.env"),
    "a.yml:4:15: error: cannot read the env file /home/app/none.env".replace("/home/app/", ""),
  ],
  [service("    hostname: ${HOST:?say which}"), "a.yml:4:15: error: HOST must be set: say which"],
  [
    service("    hostname: a-${HOST"),
    "a.yml:4:17: error: ${HOST is not closed by }, or is followed by an unknown form",
  ],
  [
    service("    hostname: $HOST"),
    "a.yml:4:15: warning: the variable HOST is not set and stands for nothing",
  ],
  [
    service("    build: ."),
    "a.yml:4:5: warning: build is ignored: a swarm runs images; build and push it first",
  ],
  [
    service("    container_name: x"),
    "a.yml:4:5: warning: container_name is ignored: tasks name their containers service.slot.id",
  ],
  [
    service("    deploy: { mode: global, replicas: 2 }"),
    "a.yml:4:39: error: a service of mode global has as many tasks as there are nodes: no replicas",
  ],
  [
    service("    deploy:\n      placement:\n        constraints: [node.role]"),
    "a.yml:6:9: error: the service web would be refused: ",
  ],
  [service("    logging: { driver: gelf }"), "a.yml:4:5: error: the service web would be refused: "],
  [service("    extends: { service: base, file: none.yml }"), "a.yml:4:37: error: cannot read none.yml"],
  [service("    extends: base"), "a.yml:4:14: error: there is no service base to extend"],
  [service("    extends: web"), "a.yml:4:14: error: web extends itself"],
  [service("    image: *gone".replace("image", "user")), "a.yml:4:11: error: "],
  [
    top("secrets: { s: {} }"),
    "a.yml:2:12: error: s must say where its content is: one of file, environment, content, external",
  ],
  [top("secrets: { s: { environment: TOKEN } }"), "a.yml:2:12: error: the variable TOKEN is not set"],
  [top("networks: { idle: }"), "a.yml:2:13: warning: no service is on the network idle: it is not made"],
  [top("volume: {}"), "a.yml:2:1: error: a stack file has no section volume: it has "],
  [top("include: [a.yml]"), "a.yml:2:11: error: a.yml includes itself: "],
  [top("include: [none.yml]"), "a.yml:2:11: error: cannot read none.yml"],
  [
    "services:\n  a: { image: x, depends_on: [b] }\n  b: { image: x, depends_on: [a] }",
    "a.yml:2:31: error: services wait for each other: a → b → a",
  ],
  [
    "services:\n  a: { image: x, ports: ['80:80'] }\n  b: { image: x, ports: ['80:81'] }",
    "a.yml:3:18: error: b and a both publish port 80/tcp",
  ],
  ["a: &a [*a, *a]", "a.yml:1:"],
  [
    `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]`,
    "a.yml:1:1: error: cannot read YAML: it says more than any stack can need",
  ],
])("%s", (text, wanted) => {
  const problems = problemsOf({ "a.yml": text });
  expect(
    problems.find((one) => one.startsWith(wanted)),
    problems.join("\n"),
  ).toBeDefined();
});

test("one run tells what is wrong with variables, fields and references, in all files", () => {
  const files = {
    "a.yml": "services:\n  web:\n    image: ${TAG:?which}\n    tty: maybe\n    networks: [gone]",
    "b.yml": "services:\n  web:\n    init: perhaps",
  };
  const told = problemsOf(files, { merged: ["a.yml", "b.yml"] });
  expect(told.map((one) => one.split(" error")[0])).toEqual([
    "a.yml:3:12:",
    "a.yml:4:10:",
    "a.yml:5:16:",
    "b.yml:3:11:",
  ]);
});

test("one run tells all errors, in the order of the file", () => {
  const text = service("    tty: maybe\n    init: perhaps\n    ports: [x]");
  expect(problemsOf({ "a.yml": text }).map((one) => one.split(":")[1])).toEqual(["4", "5", "6"]);
});
