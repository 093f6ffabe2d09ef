import { createClient, type RedisClientType } from "@redis/client";
import { port, text } from "./env.ts";
import { backoff, reasonOf } from "./retry.ts";

/** No modules, functions, scripts or type mappings of our own. */
type None = Record<never, never>;

/**
 * A client of the Redis named `redis` that connects, and connects again, by itself. Commands fail at once while
 * it has no connection. A connection on which nothing comes for 6 s counts as dead: `ping` makes something come.
 */
export function newRedis(options: { readonly ping: boolean }): RedisClientType<None, None, None, 2, None> {
  const client = createClient<None, None, None, 2, None>({
    // The protocol that Redis 3.2 speaks.
    RESP: 2,
    socket: {
      host: text("REDIS_HOST", "redis"),
      port: port("REDIS_PORT", 6379),
      connectTimeout: 3000,
      socketTimeout: 6000,
      reconnectStrategy: backoff,
    },
    disableOfflineQueue: true,
    ...(options.ping && { pingInterval: 2000 }),
  });
  let said = "";
  client.on("ready", () => {
    said = "";
    console.error("connected to redis");
  });
  client.on("error", (error: unknown) => {
    const reason = reasonOf(error);
    if (reason !== said) console.error(`redis: ${reason}; connecting again`);
    said = reason;
  });
  return client;
}
