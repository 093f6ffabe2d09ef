import { readFileSync } from "node:fs";
import { join } from "node:path";

interface Login {
  readonly auth?: string;
  readonly identitytoken?: string;
}

interface DockerConfig {
  readonly auths?: Readonly<Record<string, Login>>;
}

const HUB = "https://index.docker.io/v1/";

/** What `docker login` left in its configuration file; of credential helpers it knows nothing. */
export class RegistryLogins {
  readonly #auths: Readonly<Record<string, Login>>;

  constructor(auths: Readonly<Record<string, Login>>) {
    this.#auths = auths;
  }

  /** From $DOCKER_CONFIG or the user's home; none when there is no such file, or it is no JSON. */
  static read(env: NodeJS.ProcessEnv): RegistryLogins {
    const folder = env["DOCKER_CONFIG"] ?? join(env["HOME"] ?? "/", ".docker");
    try {
      const { auths = {} } = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as DockerConfig;
      return new RegistryLogins(auths);
    } catch {
      return new RegistryLogins({});
    }
  }

  /** The headers that let a daemon ask for an image in the user's name; none without a login at its registry. */
  headersFor(image: string): Readonly<Record<string, string>> {
    const server = serverOf(image);
    const { auth, identitytoken } = this.#auths[server] ?? this.#auths[`https://${server}`] ?? {};
    if (auth === undefined && identitytoken === undefined) return {};
    const [username = "", ...password] = Buffer.from(auth ?? "", "base64")
      .toString()
      .split(":");
    const login = {
      username,
      password: password.join(":"),
      serveraddress: server,
      ...(identitytoken !== undefined && { identitytoken }),
    };
    return { "X-Registry-Auth": Buffer.from(JSON.stringify(login)).toString("base64url") };
  }
}

/** The registry of an image by the name that `docker login` keeps it under. */
function serverOf(image: string): string {
  const [first = "", ...rest] = image.split("/");
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
  return isHost && first !== "docker.io" ? first : HUB;
}
