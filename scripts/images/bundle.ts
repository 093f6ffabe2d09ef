import { join } from "node:path";
import { build } from "esbuild";
import type { AppName } from "./catalog.ts";

const APP = join(import.meta.dirname, "../../examples/voting-app");

/** A program of the voting app and the libraries it uses as one CommonJS file, as its Dockerfile makes it. */
export async function bundleApp(app: AppName): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(APP, app, "main.ts")],
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    // An optional native driver that pg tries to load.
    external: ["pg-native"],
    write: false,
    logLevel: "error",
  });
  return outputFiles.map((file) => file.text).join("");
}
