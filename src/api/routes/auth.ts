import { readLogin } from "../../wire/index.ts";
import type { Backends } from "../backends.ts";
import { type ApiRequest, type ApiResponse, json, type Route } from "../route.ts";

/** POST /auth: `docker login`. Nothing is kept here: the CLI sends the credentials along with each pull and push. */
async function login(request: ApiRequest, { images }: Backends): Promise<ApiResponse> {
  await images.login(readLogin(await request.json()));
  return json(200, { Status: "Login Succeeded", IdentityToken: "" });
}

/** What registries think of a user. */
export const authRoutes: readonly Route[] = [{ method: "POST", path: "/auth", handle: login }];
