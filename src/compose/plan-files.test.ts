import { expect, test } from "vitest";
import { stackOf } from "./files.fake.ts";
import { planStack } from "./plan-stack.ts";
import type { Json } from "./stack.ts";
import type { StackObjects } from "./stack-plan.ts";

const EMPTY: StackObjects = { networks: [], secrets: [], configs: [], services: [], tasks: [] };
const CONTENTS = new Map([["config site", { base64: "eA==", version: "v1" }]]);

const stackWith = (words: string) =>
  stackOf({
    "a.yml": `name: app\nservices: { web: { image: nginx, configs: [site] } }\nconfigs: { site: { content: x, ${words} } }`,
  });
const configsOf = (words: string, configs: readonly Json[] = []) =>
  planStack(stackWith(words), { ...EMPTY, configs }, CONTENTS).steps.filter(({ kind }) => kind === "config");

test("a template is made as one, and is another version than the same words without", () => {
  const [plain] = configsOf("");
  const [made] = configsOf("template_driver: golang", [{ ID: "c1", Spec: plain?.body }]);
  expect(plain?.body).not.toHaveProperty("Templating");
  expect(made).toMatchObject({
    verb: "create",
    name: "app_site-v1-golang",
    body: { Templating: { Name: "golang" } },
  });
  expect(configsOf("template_driver: golang", [{ ID: "c2", Spec: made?.body }])).toEqual([]);
});
