import pg from "pg";
import { port, text } from "./env.ts";
import { reasonOf } from "./retry.ts";

/** A pool of connections to the PostgreSQL named `db`. Every wait ends: a dead database is an error, never a hang. */
export function newDatabase(connections: number): pg.Pool {
  const pool = new pg.Pool({
    host: text("DB_HOST", "db"),
    port: port("DB_PORT", 5432),
    user: text("POSTGRES_USER", "postgres"),
    password: text("POSTGRES_PASSWORD", "postgres"),
    database: text("POSTGRES_DB", "postgres"),
    max: connections,
    connectionTimeoutMillis: 3000,
    query_timeout: 5000,
    keepAlive: true,
  });
  pool.on("error", (error) => console.error(`db: ${reasonOf(error)}; connecting again`));
  return pool;
}
