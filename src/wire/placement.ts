import type { z } from "zod";
import type { Placement } from "../model/index.ts";
import { goStruct, listOf, maybe, natural, omitEmpty, text, texts } from "./json.ts";

const preference = goStruct({ Spread: maybe(goStruct({ SpreadDescriptor: text })) });
const platform = goStruct({ Architecture: text, OS: text });

/** `Placement`: where tasks may go. A preference that says nothing is dropped, as in Docker. */
export const placementSchema: z.ZodType<Placement> = maybe(
  goStruct({
    Constraints: texts,
    Preferences: listOf(preference),
    MaxReplicas: natural,
    Platforms: listOf(platform),
  }),
).transform(
  (wire): Placement => ({
    constraints: wire?.Constraints ?? [],
    preferences: (wire?.Preferences ?? []).flatMap(({ Spread }) =>
      Spread === undefined ? [] : [{ spread: Spread.SpreadDescriptor }],
    ),
    maxReplicas: wire?.MaxReplicas ?? 0,
    platforms: (wire?.Platforms ?? []).map((p) => ({ architecture: p.Architecture, os: p.OS })),
  }),
);

/** A placement in Docker's JSON. */
export function placementToWire(placement: Placement): Record<string, unknown> {
  return omitEmpty({
    Constraints: placement.constraints,
    Preferences: placement.preferences.map(({ spread }) => ({ Spread: { SpreadDescriptor: spread } })),
    MaxReplicas: placement.maxReplicas,
    Platforms: placement.platforms.map((p) => omitEmpty({ Architecture: p.architecture, OS: p.os })),
  });
}
