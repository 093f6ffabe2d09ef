import { expect, test } from "vitest";
import { parseFilters } from "../../wire/index.ts";
import { anImage } from "../backends.fake.ts";
import { IMAGE_FILTERS, listImages } from "./image-filters.ts";

const id = (digit: string) => `sha256:${digit.repeat(64)}`;
const images = [
  anImage({
    id: id("1"),
    repoTags: ["redis:3.2", "mine.test:5000/cache:1"],
    repoDigests: [],
    createdAt: 1000,
  }),
  anImage({ id: id("2"), repoTags: ["redis:latest"], repoDigests: [`redis@${id("8")}`], createdAt: 3000 }),
  anImage({ id: id("3"), repoTags: [], repoDigests: [], createdAt: 2000, labels: { kind: "old" } }),
];

function tags(filters: object): string[][] {
  return listImages(images, parseFilters(JSON.stringify(filters), IMAGE_FILTERS)).map(({ repoTags }) => [
    ...repoTags,
  ]);
}

test.each([
  [{}, [["redis:latest"], [], ["redis:3.2", "mine.test:5000/cache:1"]]],
  [{ reference: ["redis"] }, [["redis:latest"], ["redis:3.2"]]],
  [{ reference: ["redis:3*"] }, [["redis:3.2"]]],
  [{ reference: ["*/cache"] }, [["mine.test:5000/cache:1"]]],
  [{ reference: ["nowhere", "redis:latest"] }, [["redis:latest"]]],
  [{ dangling: ["true"] }, [[]]],
  [{ dangling: ["false"] }, [["redis:latest"], ["redis:3.2", "mine.test:5000/cache:1"]]],
  [{ label: ["kind=old"] }, [[]]],
  [{ before: ["redis"] }, [[], ["redis:3.2", "mine.test:5000/cache:1"]]],
  [{ since: ["redis:3.2"] }, [["redis:latest"], []]],
  [{ since: ["1111"], before: [id("2")] }, [[]]],
])("%j finds %j", (filters, wanted) => {
  expect(tags(filters)).toEqual(wanted);
});

test("an image that is not here, and a flag that is none, are refused", () => {
  expect(() => tags({ before: ["nowhere"] })).toThrow("No such image: nowhere");
  expect(() => tags({ dangling: ["perhaps"] })).toThrow("invalid filter 'dangling=perhaps'");
});
