import type { RegistryLogin } from "../model/index.ts";
import { goStruct, readJson, text } from "./json.ts";

/** Docker's AuthConfig (moby api/types/registry/authconfig.go); the CLI still sends fields that mean nothing. */
const LOGIN = goStruct({
  username: text,
  password: text,
  auth: text,
  email: text,
  serveraddress: text,
  identitytoken: text,
  registrytoken: text,
});

/** The body of POST /auth. Fault "invalid" without a word of what is in it. */
export function readLogin(body: unknown): RegistryLogin {
  const { username, password, serveraddress, identitytoken } = readJson(LOGIN, body, "credentials");
  return {
    server: serveraddress,
    ...(username !== "" && { username }),
    ...(password !== "" && { password }),
    ...(identitytoken !== "" && { identityToken: identitytoken }),
  };
}
