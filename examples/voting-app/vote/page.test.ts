import { expect, test } from "vitest";
import { votePage } from "./page.ts";

const names = { a: "Cats", b: "Dogs" };

test("the page has a form that posts vote=a or vote=b", () => {
  const html = votePage({ names, container: "c1" });
  expect(html).toContain('<form method="post" action="/">');
  expect(html).toContain('<button id="a" name="vote" value="a">Cats</button>');
  expect(html).toContain('<button id="b" name="vote" value="b">Dogs</button>');
  expect(html).toContain("Processed by container c1");
});

test("one's vote is marked and said", () => {
  const html = votePage({ names, container: "c1", vote: "b" });
  expect(html).toContain('value="b" class="mine">Dogs ✓</button>');
  expect(html).toContain("You voted for Dogs.");
});

test("names are text, whatever is in them", () => {
  const html = votePage({ names: { a: "<script>", b: "R&B" }, container: '"' });
  expect(html).not.toContain("<script>");
  expect(html).toContain("&lt;script&gt; or R&amp;B?");
});
