import type { z } from "zod";
import type { Route } from "../../../src/api/index.ts";
import type { Dice } from "./dice.ts";
import { mutatedText } from "./mutate.ts";
import { SchemaBodies } from "./of-schema.ts";
import type { Words } from "./words.ts";

export interface FuzzRequest {
  readonly route: Route;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** What was learnt of a route by watching it: the words it asks its question for, and the schemas it read bodies by. */
export interface Learnt {
  readonly queries: Set<string>;
  readonly schemas: Set<z.ZodType>;
}

/** Queries that are JSON, by their names, with the keys that some route knows. */
const FILTERS = [
  "id",
  "name",
  "label",
  "mode",
  "role",
  "type",
  "scope",
  "driver",
  "service",
  "node",
  "desired-state",
  "dangling",
  "until",
  "event",
  "status",
  "before",
  "since",
  "volume",
  "network",
  "reference",
  "health",
  "ancestor",
  "exited",
];

/** Requests to every route of a table, from good ones to garbage. */
export class Requests {
  readonly #dice: Dice;
  readonly #words: Words;
  readonly #bodies: SchemaBodies;
  readonly #routes: readonly Route[];
  /** Routes that write are asked more often: there is more to say to them. */
  readonly #chosen: readonly Route[];

  constructor(routes: readonly Route[], dice: Dice, words: Words) {
    this.#dice = dice;
    this.#words = words;
    this.#bodies = new SchemaBodies(dice, words);
    this.#routes = routes;
    this.#chosen = routes.flatMap((route) => (route.method === "POST" ? [route, route, route] : [route]));
  }

  next(learntOf: (route: Route) => Learnt): FuzzRequest {
    const dice = this.#dice;
    const route = dice.of(this.#chosen);
    const learnt = learntOf(route);
    const method = dice.once(60)
      ? dice.of(["PATCH", "PUT", "HEAD", "OPTIONS", "GET", "POST", "DELETE"])
      : route.method;
    const path = `${this.#version()}${this.#path(route.path)}${this.#query(learnt)}`;
    const body = route.method === "POST" || dice.once(20) ? this.#body(learnt) : undefined;
    return { route, method, path, headers: this.#headers(body), body };
  }

  /** One request to each route, as its clients might say it. */
  first(learntOf: (route: Route) => Learnt): FuzzRequest[] {
    return this.#routes.map((route) => {
      const path = this.#path(route.path, true);
      const body = route.method === "POST" ? JSON.stringify(this.#valid(learntOf(route))) : undefined;
      return { route, method: route.method, path, headers: this.#headers(body), body };
    });
  }

  #version(): string {
    const dice = this.#dice;
    if (!dice.once(5)) return "";
    return dice.of([
      "/v1.24",
      "/v1.41",
      "/v1.44",
      "/v1.51",
      "/v1.52",
      "/v1.23",
      "/v0",
      "/v",
      "/v1",
      "/v1.x",
      "/v99999.1",
      "/v1.41/v1.41",
      "/V1.41",
      "//",
    ]);
  }

  #path(pattern: string, isPlain = false): string {
    const part = () =>
      isPlain || !this.#dice.once(6)
        ? encodeURIComponent(wellFormed(this.#dice.of(this.#words.refs)))
        : this.#oddPart();
    return pattern.replace(/:\w+/g, part).replace("*", () => part());
  }

  #oddPart(): string {
    const dice = this.#dice;
    const odd = this.#words.odd();
    const encoded = dice.once(3)
      ? odd.replace(/[^\x21-\x7e]|[ ?#]/g, "")
      : encodeURIComponent(wellFormed(odd));
    return dice.of([
      encoded,
      "%",
      "%zz",
      "%00",
      "%ff",
      "a".repeat(5000),
      "..",
      "%2e%2e%2f",
      encoded,
      encoded,
    ]);
  }

  #query({ queries }: Learnt): string {
    const dice = this.#dice;
    const names = dice.some(5, () =>
      queries.size === 0 || dice.once(12) ? dice.of(["filters", "all", "x", ""]) : dice.of([...queries]),
    );
    if (names.length === 0) return "";
    const pairs = names.map((name) => `${encodeURIComponent(wellFormed(name))}=${this.#queryValue(name)}`);
    return `?${dice.once(40) ? pairs.join("&&=&") : pairs.join("&")}`;
  }

  #queryValue(name: string): string {
    const dice = this.#dice;
    if (dice.once(15)) return dice.of(["%", "%ff", "%00", "+", "&&", "="]);
    const plain = () =>
      dice.of(["1", "0", "true", "false", "", "-1", String(this.#words.number()), this.#words.text(name)]);
    const value = name === "filters" && !dice.once(8) ? this.#filters() : plain();
    return encodeURIComponent(wellFormed(value));
  }

  #filters(): string {
    const dice = this.#dice;
    const value = () => (dice.once(2) ? dice.of(this.#words.refs) : this.#words.text(dice.of(FILTERS)));
    const entries = dice.some(4, () => {
      const key = dice.once(15) ? this.#words.odd() : dice.of(FILTERS);
      const values = dice.some(3, value);
      return [
        key,
        dice.once(3) ? Object.fromEntries(values.map((one) => [one, !dice.once(4)])) : values,
      ] as const;
    });
    return mutatedText(Object.fromEntries(entries), dice.once(3) ? dice : STILL, this.#words);
  }

  #valid({ schemas }: Learnt): unknown {
    return schemas.size === 0 ? {} : this.#bodies.make(this.#dice.of([...schemas]));
  }

  #body(learnt: Learnt): string | undefined {
    const dice = this.#dice;
    if (dice.once(25)) return undefined;
    const value = this.#valid(learnt);
    return dice.once(3) ? JSON.stringify(value) : mutatedText(value, dice, this.#words);
  }

  #headers(body: string | undefined): Record<string, string> {
    const dice = this.#dice;
    const type = dice.once(25)
      ? dice.of(["text/plain", "application/tar", "application/json; charset=x", ""])
      : "application/json";
    const auth = dice.once(10)
      ? { "x-registry-auth": dice.of(["e30=", "e30", "%%%", "bnVsbA==", "W10=", "eyJ1c2VybmFtZSI6MX0="]) }
      : {};
    const upgrade = dice.once(40)
      ? { connection: "Upgrade", upgrade: dice.of(["tcp", "h2c", "websocket"]) }
      : {};
    // Node frames no body of a GET or DELETE by itself.
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    return { ...(body !== undefined && { "content-type": type }), ...length, ...auth, ...upgrade };
  }
}

/** Half a surrogate pair has no UTF-8. */
const wellFormed = (text: string) => Buffer.from(text).toString();

/** Chooses the first of everything: leaves a value as it is. */
const STILL = {
  below: () => 0,
  once: () => false,
  of: <T>(all: readonly T[]) => all[0] as T,
  some: () => [],
} as unknown as Dice;
