import { expect, test } from "vitest";
import { BY_HAND } from "../dataplane/scenarios.fake.ts";
import { Zones } from "./zones.ts";

/** The names of containers made by hand: `web` on bridge and app, `api` on app and vault, `db` on vault, which is internal. */

const ADDRESS: Readonly<Record<string, string>> = {
  web: "172.18.0.16",
  api: "172.18.0.17",
  db: "172.18.0.18",
};
const zoneOf = (name: string, facts = BY_HAND) => new Zones(facts).zoneOf(ADDRESS[name] ?? "")!;

/** Network to name to addresses, as the container with this name may know them. */
const known = (name: string, family: "addresses" | "addresses6" = "addresses", facts = BY_HAND) =>
  Object.fromEntries(
    zoneOf(name, facts).networks.map((on) => [on.name, Object.fromEntries(on[family] ?? new Map())]),
  );

test("containers find each other by name on the networks that they share, and on the first network never", () => {
  expect(known("web")).toEqual({ app: { web: ["172.19.0.16"], api: ["172.19.0.17"] } });
  expect(known("api")).toEqual({
    app: { web: ["172.19.0.16"], api: ["172.19.0.17"] },
    vault: { api: ["172.20.0.17"], db: ["172.20.0.18"] },
  });
  expect(known("db")).toEqual({ vault: { api: ["172.20.0.17"], db: ["172.20.0.18"] } });
  expect(known("web", "addresses6")).toEqual({ app: { web: ["fd00:19::16"], api: ["fd00:19::17"] } });
});

test("an address, of either family, has its container's name", () => {
  const [app] = zoneOf("web").networks;
  expect([...app!.names].sort()).toEqual([
    ["172.19.0.16", "web.app"],
    ["172.19.0.17", "api.app"],
    ["fd00:19::16", "web.app"],
    ["fd00:19::17", "api.app"],
  ]);
});

test("a name that several have is of all of them; other names are asked of the outside unless all is internal", () => {
  const tasks = BY_HAND.tasks.map((task) => {
    const { app, ...rest } = task.bridges ?? {};
    return app === undefined
      ? task
      : { ...task, bridges: { ...rest, app: { ...app, names: [task.taskId, "Shared"] } } };
  });
  expect(known("web", "addresses", { ...BY_HAND, tasks })["app"]).toMatchObject({
    shared: ["172.19.0.16", "172.19.0.17"],
  });
  expect(["web", "api", "db"].map((name) => zoneOf(name).forwards)).toEqual([true, true, false]);
});
