/** Who asks a registry. Never logged; `identityToken` is an OAuth2 refresh token, `registryToken` a ready bearer. */
export interface Credentials {
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
}

/**
 * Reads an X-Registry-Auth header: base64url JSON of Docker's AuthConfig (moby api/types/registry/authconfig.go).
 * Like Docker, takes anything unreadable or empty as "no credentials" and answers undefined.
 */
export function parseRegistryAuth(header: string): Credentials | undefined {
  const config = decode(header);
  if (config === undefined) return undefined;
  const [user, ...rest] = Buffer.from(textOf(config["auth"]) ?? "", "base64")
    .toString()
    .split(":");
  const username = textOf(config["username"]) ?? (user || undefined);
  const password = textOf(config["password"]) ?? (rest.join(":") || undefined);
  const identityToken = textOf(config["identitytoken"]);
  const registryToken = textOf(config["registrytoken"]);
  const credentials: Credentials = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(identityToken !== undefined && { identityToken }),
    ...(registryToken !== undefined && { registryToken }),
  };
  return Object.keys(credentials).length === 0 ? undefined : credentials;
}

function decode(header: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(header, "base64url").toString());
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
